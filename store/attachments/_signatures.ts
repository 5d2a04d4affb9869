import { type Digest, digestHex, digestOf } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import { documentError, JsonReader } from "../../spec/json_reader.ts";
import { digestName } from "../../spec/verifier.ts";
import { readContent, readDocument } from "../moving/read_content.ts";
import {
  BUNDLE,
  IN_TOTO,
  parseStatement,
  readBase64,
  readEnvelope,
  signedBytesOf,
} from "./_statement.ts";
import type { AttachmentSource } from "./attachment_source.ts";

/** Media type of the payloads that cosign signs. */
const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
const COSIGN_SIGNATURE = "cosign container image signature";
const SIGNATURE = "dev.cosignproject.cosign/signature";

/** Maximum size of a signed payload. One of cosign has 300 bytes plus the user's annotations. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;
/** Maximum size of a bundle. A signature has 10 kB; an attestation also has its predicate. */
const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;
/** Maximum number of signatures to read from one place. */
export const MAX_SIGNATURES = 100;

/** The signed document of an image: the index or manifest that its reference stands for. */
export type SignedDocument = Pick<ImageDocument<unknown>, "descriptor" | "bytes">;

/** A signature over the digest of an image, not verified yet. */
export interface Signature {
  readonly signed: Uint8Array;
  /** Signatures over the bytes; one of them must be valid. */
  readonly signatures: readonly Uint8Array[];
  /** Returns a bundle of Sigstore with the signature and its certificate, if there is one. */
  bundle(): Readonly<Record<string, unknown>> | undefined;
}

/**
 * Reads a signature that was found.
 *
 * @throws {SyntaxError} If it is damaged, or is not about the image.
 */
export type ReadSignature = () => Promise<Signature>;

/** Lists the signatures under the tag of cosign, `sha256-HEX.sig`. */
export async function taggedSignatures(
  source: AttachmentSource,
  document: SignedDocument,
  signal: AbortSignal | undefined,
): Promise<readonly ReadSignature[]> {
  const { digest } = document.descriptor;
  const found = await source.resolve(`${digestName(digest)}.sig`, { signal });
  if (found === undefined) return [];
  const { kind, value } = await readDocument(source, found, signal);
  if (kind === "index") return [];
  // Signatures of the same payload share its blob.
  const payloads = new Map<Digest, Promise<Uint8Array<ArrayBuffer>>>();
  const payloadOf = (layer: Descriptor) => {
    return payloads.getOrInsertComputed(layer.digest, () => {
      return readContent(source, layer, MAX_PAYLOAD_BYTES, signal);
    });
  };
  return value.layers.filter(({ mediaType }) => mediaType === SIMPLE_SIGNING).map((layer) => {
    return async () => readSimpleSigning(layer, await payloadOf(layer), digest);
  });
}

function readSimpleSigning(
  { annotations }: Descriptor,
  payload: Uint8Array<ArrayBuffer>,
  digest: Digest,
): Signature {
  const critical = JsonReader.parse(payload, "payload").at("critical");
  const type = critical.at("type");
  if (type.string() !== COSIGN_SIGNATURE) type.fail(`"${COSIGN_SIGNATURE}"`);
  // As in cosign, the name in it does not count, so that a copy of an image stays signed.
  const signed = critical.at("image").at("docker-manifest-digest");
  if (signed.string() !== digest) signed.fail(`${digest}, the digest of the image`);
  const json = new JsonReader(annotations ?? {}, "annotations");
  const signature = readBase64(json.at(SIGNATURE));
  return {
    signed: payload,
    signatures: [signature],
    bundle: () => taggedBundle(json, payload, signature),
  };
}

/** Builds a bundle from the certificate and the log entry in the annotations, if both exist. */
function taggedBundle(
  annotations: JsonReader,
  payload: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): ReturnType<Signature["bundle"]> {
  const certificate = annotations.maybe("dev.sigstore.cosign/certificate")?.string();
  const entry = annotations.maybe("dev.sigstore.cosign/bundle");
  if (certificate === undefined || entry === undefined) return undefined;
  const json = JsonReader.parse(new TextEncoder().encode(entry.string()), entry.path);
  const log = json.at("Payload");
  const body = log.at("body");
  const { kind, apiVersion } = JsonReader.parse(readBase64(body), body.path).object();
  const pem = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/.exec(certificate);
  return {
    mediaType: `${BUNDLE}+json;version=0.1`,
    verificationMaterial: {
      x509CertificateChain: { certificates: [{ rawBytes: pem?.[1]?.replaceAll(/\s/g, "") }] },
      tlogEntries: [{
        logIndex: String(log.at("logIndex").count()),
        logId: { keyId: fromHex(log.at("logID")).toBase64() },
        kindVersion: { kind, version: apiVersion },
        integratedTime: String(log.at("integratedTime").count()),
        inclusionPromise: { signedEntryTimestamp: json.at("SignedEntryTimestamp").string() },
        canonicalizedBody: body.string(),
      }],
    },
    messageSignature: messageSignatureOf(payload, signature),
  };
}

function fromHex(json: JsonReader): Uint8Array<ArrayBuffer> {
  const text = json.string();
  return /^(?:[0-9a-f]{2})+$/i.test(text) ? Uint8Array.fromHex(text) : json.fail("hexadecimal");
}

/** Returns the JSON of a signature over bytes. */
function messageSignatureOf(
  signed: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): { readonly messageDigest: { readonly digest: string }; readonly signature: string } {
  const digest = Uint8Array.fromHex(digestHex(digestOf(signed))).toBase64();
  const messageDigest = { algorithm: "SHA2_256", digest };
  return { messageDigest, signature: signature.toBase64() };
}

/** Lists the sigstore bundles whose manifests refer to the image. */
export async function referringSignatures(
  source: AttachmentSource,
  document: SignedDocument,
  signal: AbortSignal | undefined,
): Promise<readonly ReadSignature[]> {
  const referrers = await source.referrers?.(document.descriptor, { signal }) ?? [];
  return referrers.filter(({ artifactType }) => artifactType?.startsWith(BUNDLE)).map((entry) => {
    return async () => {
      return readBundle(await readBundleBytes(source, entry, document, signal), document);
    };
  });
}

/** Reads the bundle of a manifest that refers to the image. */
async function readBundleBytes(
  source: AttachmentSource,
  entry: Descriptor,
  { descriptor: { digest } }: SignedDocument,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const { kind, value } = await readDocument(source, entry, signal);
  const json = new JsonReader(value, "manifest");
  if (value.subject?.digest !== digest) {
    json.at("subject").at("digest").fail(`${digest}, the digest of the image`);
  }
  const [layer] = kind === "manifest" ? value.layers : [];
  if (!layer?.mediaType.startsWith(BUNDLE)) return json.at("layers").fail("a sigstore bundle");
  return await readContent(source, layer, MAX_BUNDLE_BYTES, signal);
}

function readBundle(bytes: Uint8Array, { descriptor, bytes: image }: SignedDocument): Signature {
  const { digest } = descriptor;
  const json = JsonReader.parse(bytes, "bundle");
  const head = {
    mediaType: json.maybe("mediaType")?.value(),
    verificationMaterial: json.maybe("verificationMaterial")?.value(),
  };
  // Build a new bundle, so that exactly the parts that were read here are verified.
  const plain = json.maybe("messageSignature");
  // A plain signature is over the bytes of the manifest.
  if (plain !== undefined) {
    const signature = readBase64(plain.at("signature"));
    const messageSignature = messageSignatureOf(image, signature);
    const given = plain.maybe("messageDigest")?.maybe("digest");
    if (given !== undefined && given.value() !== messageSignature.messageDigest.digest) {
      given.fail("that of the image");
    }
    return {
      signed: image,
      signatures: [signature],
      bundle: () => ({ ...head, messageSignature }),
    };
  }
  const member = json.at("dsseEnvelope");
  const envelope = readEnvelope(member);
  const { payloadType, payload, signatures } = envelope;
  if (payloadType !== IN_TOTO) member.at("payloadType").fail(`"${IN_TOTO}"`);
  if (!parseStatement(payload).isAbout(digest)) {
    const { path } = member.at("payload");
    throw documentError(path, `it is not a statement about ${digest}`);
  }
  const dsseEnvelope = {
    payloadType,
    payload: payload.toBase64(),
    signatures: signatures.map((signature) => ({ sig: signature.toBase64() })),
  };
  return { signed: signedBytesOf(envelope), signatures, bundle: () => ({ ...head, dsseEnvelope }) };
}
