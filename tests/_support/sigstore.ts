/**
 * A private instance of Sigstore: a certificate authority, a log for certificates and a
 * transparency log, which sign as Fulcio, a CT log and Rekor do.
 *
 * @module
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Digest } from "../../spec/mod.ts";
import { concat, toUint8Array } from "./bytes.ts";
import { bit, der, distinguishedName, explicit, octets, oid, time, toPem } from "./der.ts";
import type { BuiltBlob } from "./image.ts";
import { BUNDLE, envelopeBundle, makeKey, messageBundle, type SigningKey } from "./signing.ts";
import { signTagged, type TaggedSignature } from "./signing.ts";

/** Time of all signatures. */
const TIME = Date.UTC(2026, 0, 1);
const ECDSA_SHA256 = der(0x30, oid("1.2.840.10045.4.3.2"));

/** Identity of the signer. */
export interface SignerOptions {
  /** URI or email address in the certificate. */
  readonly identity?: string;
  readonly issuer?: string;
  /** Time at which the certificate becomes valid, for ten minutes. */
  readonly from?: number;
  /** Whether the certificate is in the log for certificates. */
  readonly isLogged?: boolean;
}

/** A private instance of Sigstore. */
export interface Sigstore {
  /** Content of its `trusted_root.json`. */
  readonly trustedRoot: string;
  /** Signs an image as `cosign sign` did up to version 2. */
  signTagged(digest: Digest, signer?: SignerOptions): TaggedSignature;
  /** Makes a bundle with a signed statement about an image. */
  envelopeBundle(digest: Digest, signer?: SignerOptions): Record<string, unknown>;
  /** Makes a bundle with a signature over the bytes of a manifest. */
  messageBundle(image: BuiltBlob, signer?: SignerOptions): Record<string, unknown>;
}

/** The identity of signatures by default. */
export const IDENTITY =
  "https://github.com/owner/app/.github/workflows/release.yml@refs/heads/main";
export const ISSUER = "https://token.actions.githubusercontent.com";

/** Makes an instance with its own keys. */
export function makeSigstore(): Sigstore {
  const [authority, certificateLog, log] = [makeLog(), makeLog(), makeLog()];
  const root = signCertificate(authority, {
    subject: distinguishedName("sigstore.example"),
    key: authority.spki,
    from: TIME - 1000,
    extensions: [
      extension("2.5.29.19", der(0x30, der(0x01, [0xff])), true),
      extension("2.5.29.15", bit([0x06], 1), true),
      extension("2.5.29.14", octets(authority.id.subarray(0, 20))),
    ],
  });
  const issue = (key: SigningKey, signer: SignerOptions) => {
    return issueCertificate(key, { authority, certificateLog }, signer);
  };
  const validFor = { start: new Date(TIME - 1000).toISOString() };
  const logOf = ({ spki, id }: Log) => ({
    baseUrl: "https://log.example",
    hashAlgorithm: "SHA2_256",
    publicKey: { rawBytes: spki.toBase64(), keyDetails: "PKIX_ECDSA_P256_SHA_256", validFor },
    logId: { keyId: id.toBase64() },
  });
  return {
    trustedRoot: JSON.stringify({
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      tlogs: [logOf(log)],
      certificateAuthorities: [{
        subject: { organization: "sigstore.example", commonName: "sigstore" },
        uri: "https://ca.example",
        certChain: { certificates: [{ rawBytes: root.toBase64() }] },
        validFor,
      }],
      ctlogs: [logOf(certificateLog)],
      timestampAuthorities: [],
    }),
    signTagged: (digest, signer = {}) => {
      const key = makeKey();
      const pem = toPem(issue(key, signer));
      const { payload, annotations } = signTagged(key, digest);
      const content = annotations["dev.cosignproject.cosign/signature"] ?? "";
      const entry = logEntry(log, hashedRecord(payload, content, pem));
      const bundle = {
        SignedEntryTimestamp: entry.inclusionPromise.signedEntryTimestamp,
        Payload: {
          body: entry.canonicalizedBody,
          integratedTime: Number(entry.integratedTime),
          logIndex: Number(entry.logIndex),
          logID: log.id.toHex(),
        },
      };
      return {
        payload,
        annotations: {
          ...annotations,
          "dev.sigstore.cosign/bundle": JSON.stringify(bundle),
          "dev.sigstore.cosign/certificate": pem,
          "dev.sigstore.cosign/chain": toPem(root),
        },
      };
    },
    envelopeBundle: (digest, signer = {}) => {
      const key = makeKey();
      const certificate = issue(key, signer);
      const { dsseEnvelope } = envelopeBundle(key, digest);
      const { payload, signatures: [first] } = dsseEnvelope as {
        readonly payload: string;
        readonly signatures: readonly { readonly sig: string }[];
      };
      const body = {
        apiVersion: "0.0.1",
        kind: "dsse",
        spec: {
          envelopeHash: hashOf(toUint8Array(JSON.stringify(dsseEnvelope))),
          payloadHash: hashOf(Uint8Array.fromBase64(payload)),
          signatures: [{ signature: first?.sig, verifier: btoa(toPem(certificate)) }],
        },
      };
      return { ...bundleHead(certificate, logEntry(log, body)), dsseEnvelope };
    },
    messageBundle: (image, signer = {}) => {
      const key = makeKey();
      const certificate = issue(key, signer);
      const { messageSignature } = messageBundle(key, image);
      const { signature } = messageSignature as { readonly signature: string };
      const body = hashedRecord(image.bytes, signature, toPem(certificate));
      return { ...bundleHead(certificate, logEntry(log, body)), messageSignature };
    },
  };
}

/** A key with its ID, which is the hash of the public key. */
interface Log {
  readonly spki: Uint8Array<ArrayBuffer>;
  readonly id: Uint8Array<ArrayBuffer>;
  readonly privateKey: KeyObject;
}

function makeLog(): Log {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
  return { spki, id: sha256(spki), privateKey };
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash("sha256").update(concat(...parts)).digest());
}

function signBy({ privateKey }: Log, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sign("sha256", bytes, privateKey));
}

function extension(id: string, value: Uint8Array, isCritical = false): Uint8Array<ArrayBuffer> {
  return der(0x30, oid(id), isCritical ? der(0x01, [0xff]) : [], octets(value));
}

interface CertificateInput {
  readonly subject: Uint8Array;
  readonly key: Uint8Array;
  readonly from: number;
  readonly extensions: readonly Uint8Array[];
}

function toBeSigned({ subject, key, from, extensions }: CertificateInput): Uint8Array<ArrayBuffer> {
  return der(
    0x30,
    explicit(0, der(0x02, [2])),
    der(0x02, [1]),
    ECDSA_SHA256,
    distinguishedName("sigstore.example"),
    der(0x30, time(from), time(from + 600_000)),
    subject,
    key,
    explicit(3, der(0x30, ...extensions)),
  );
}

function signCertificate(authority: Log, input: CertificateInput): Uint8Array<ArrayBuffer> {
  const body = toBeSigned(input);
  return der(0x30, body, ECDSA_SHA256, bit(signBy(authority, body)));
}

/** Issues a certificate as Fulcio does. */
function issueCertificate(
  { pem }: SigningKey,
  { authority, certificateLog }: { readonly authority: Log; readonly certificateLog: Log },
  { identity = IDENTITY, issuer = ISSUER, from = TIME, isLogged = true }: SignerOptions,
): Uint8Array<ArrayBuffer> {
  const general = der(identity.includes("://") ? 0x86 : 0x81, toUint8Array(identity));
  const input = {
    subject: der(0x30),
    key: Uint8Array.fromBase64(pem.replaceAll(/-----[^-]+-----|\s/g, "")),
    from,
    extensions: [
      extension("2.5.29.15", bit([0x80], 7), true),
      extension("2.5.29.37", der(0x30, oid("1.3.6.1.5.5.7.3.3"))),
      extension("2.5.29.35", der(0x30, der(0x80, authority.id.subarray(0, 20)))),
      extension("2.5.29.17", der(0x30, general), true),
      extension("1.3.6.1.4.1.57264.1.8", der(0x0c, toUint8Array(issuer))),
    ],
  };
  if (!isLogged) return signCertificate(authority, input);
  const body = toBeSigned(input);
  const now = new Uint8Array(8);
  new DataView(now.buffer).setBigUint64(0, BigInt(TIME));
  const signature = signBy(
    certificateLog,
    concat(
      Uint8Array.of(0, 0),
      now,
      Uint8Array.of(0, 1),
      authority.id,
      Uint8Array.of(body.length >> 16, (body.length >> 8) & 255, body.length & 255),
      body,
      Uint8Array.of(0, 0),
    ),
  );
  const timestamp = withLength(concat(
    Uint8Array.of(0),
    certificateLog.id,
    now,
    Uint8Array.of(0, 0, 4, 3),
    withLength(signature),
  ));
  const list = octets(withLength(timestamp));
  return signCertificate(authority, {
    ...input,
    extensions: [...input.extensions, extension("1.3.6.1.4.1.11129.2.4.2", list)],
  });
}

/** Puts the length of bytes before them, in two bytes. */
function withLength(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes);
}

function hashOf(bytes: Uint8Array): Record<string, string> {
  return { algorithm: "sha256", value: sha256(bytes).toHex() };
}

/** Content of an entry for a signature over bytes. */
function hashedRecord(bytes: Uint8Array, content: string, pem: string) {
  return {
    apiVersion: "0.0.1",
    kind: "hashedrekord",
    spec: {
      data: { hash: hashOf(bytes) },
      signature: { content, publicKey: { content: btoa(pem) } },
    },
  };
}

/** Makes the entry of a transparency log that has no other one. */
function logEntry(
  log: Log,
  content: { readonly apiVersion: string; readonly kind: string; readonly spec: unknown },
) {
  const bytes = toUint8Array(JSON.stringify(content));
  const body = bytes.toBase64();
  const integratedTime = TIME / 1000 + 60;
  const logID = log.id.toHex();
  const promise = JSON.stringify({ body, integratedTime, logID, logIndex: 0 });
  const rootHash = sha256(Uint8Array.of(0), bytes).toBase64();
  const note = `log.example\n1\n${rootHash}\n`;
  const noteSignature = concat(log.id.subarray(0, 4), signBy(log, toUint8Array(note)));
  return {
    logIndex: "0",
    logId: { keyId: log.id.toBase64() },
    kindVersion: { kind: content.kind, version: content.apiVersion },
    integratedTime: String(integratedTime),
    inclusionPromise: { signedEntryTimestamp: signBy(log, toUint8Array(promise)).toBase64() },
    inclusionProof: {
      logIndex: "0",
      rootHash,
      treeSize: "1",
      hashes: [],
      checkpoint: { envelope: `${note}\n\u2014 log.example ${noteSignature.toBase64()}\n` },
    },
    canonicalizedBody: body,
  };
}

function bundleHead(certificate: Uint8Array, entry: unknown): Record<string, unknown> {
  return {
    mediaType: BUNDLE,
    verificationMaterial: {
      certificate: { rawBytes: certificate.toBase64() },
      tlogEntries: [entry],
    },
  };
}
