/**
 * Makes signatures like cosign's: under a tag, and in sigstore bundles that refer to an image.
 * Shares no code with `store/attachments/`.
 *
 * @module
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { type Descriptor, type Digest, OCI_CONFIG, OCI_EMPTY } from "../../spec/mod.ts";
import { concat, toUint8Array } from "./bytes.ts";
import { blobOf, type Built, type BuiltBlob, jsonBlob, manifestOf } from "./image.ts";

export { manifestOf };

/** Media type of sigstore bundles. */
export const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
export const STATEMENT_TYPE = "application/vnd.in-toto+json";
const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";

/** A key pair. */
export interface SigningKey {
  /** The public key, as in `cosign.pub`. */
  readonly pem: string;
  readonly privateKey: KeyObject;
  sign(bytes: Uint8Array): Uint8Array<ArrayBuffer>;
}

export type KeyKind = "P-256" | "P-384" | "P-521" | "ed25519" | "rsa" | "rsa-1024";

/** Makes a key pair. */
export function makeKey(kind: KeyKind = "P-256", hash = "sha256"): SigningKey {
  const { publicKey, privateKey } = generate(kind);
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  return {
    pem,
    privateKey,
    sign: (bytes) => new Uint8Array(sign(kind === "ed25519" ? null : hash, bytes, privateKey)),
  };
}

function generate(kind: KeyKind) {
  if (kind === "ed25519") return generateKeyPairSync("ed25519");
  if (kind === "rsa") return generateKeyPairSync("rsa", { modulusLength: 2048 });
  if (kind === "rsa-1024") return generateKeyPairSync("rsa", { modulusLength: 1024 });
  return generateKeyPairSync("ec", { namedCurve: kind });
}

/** A layer of the image under the tag of signatures. */
export interface TaggedSignature {
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly mediaType?: string;
}

export interface SignTaggedOptions {
  /** Name in the payload. */
  readonly name?: string;
  /** Type in the payload. */
  readonly type?: string;
}

/** Signs an image as `cosign sign` did up to version 2. */
export function signTagged(
  key: SigningKey,
  digest: Digest,
  { name = "registry.example/a/b", type = "cosign container image signature" }: SignTaggedOptions =
    {},
): TaggedSignature {
  const payload = toUint8Array(JSON.stringify({
    critical: {
      identity: { "docker-reference": name },
      image: { "docker-manifest-digest": digest },
      type,
    },
    optional: null,
  }));
  const signature = key.sign(payload).toBase64();
  return { payload, annotations: { "dev.cosignproject.cosign/signature": signature } };
}

/** Tag of the signatures of an image. */
export function signatureTag(digest: Digest): string {
  return `${digest.replace(":", "-")}.sig`;
}

/** Builds the image that cosign stores under the tag of signatures. */
export function buildTagged(signatures: readonly TaggedSignature[]): Built {
  const layers = signatures.map(({ payload, mediaType = SIMPLE_SIGNING, annotations }) => {
    const { descriptor, bytes } = blobOf(mediaType, payload);
    return { bytes, descriptor: { ...descriptor, annotations } };
  });
  const config = jsonBlob(OCI_CONFIG, {
    architecture: "",
    created: "0001-01-01T00:00:00Z",
    history: layers.map(() => ({ created: "0001-01-01T00:00:00Z" })),
    os: "",
    rootfs: { type: "layers", diff_ids: layers.map(({ descriptor }) => descriptor.digest) },
    config: {},
  });
  return manifestOf(config, layers);
}

export interface EnvelopeOptions {
  readonly predicateType?: string;
  readonly predicate?: unknown;
  readonly statementType?: string;
  readonly payloadType?: string;
}

/** Makes a bundle with a signed statement about an image, as `cosign sign` does since version 3. */
export function envelopeBundle(
  key: SigningKey,
  digest: Digest,
  options: EnvelopeOptions = {},
): Record<string, unknown> {
  const { payloadType = STATEMENT_TYPE } = options;
  const payload = toUint8Array(JSON.stringify(statementAbout(digest, options)));
  const type = toUint8Array(payloadType);
  const signed = concat(
    toUint8Array(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `),
    payload,
  );
  return {
    ...bundleHead(),
    dsseEnvelope: {
      payload: payload.toBase64(),
      payloadType,
      signatures: [{ sig: key.sign(signed).toBase64() }],
    },
  };
}

/** Makes an in-toto statement about an image. */
export function statementAbout(
  digest: Digest,
  {
    predicateType = "https://sigstore.dev/cosign/sign/v1",
    predicate = {},
    statementType = "https://in-toto.io/Statement/v1",
  }: EnvelopeOptions = {},
): Record<string, unknown> {
  const [algorithm = "", hex] = digest.split(":");
  return {
    _type: statementType,
    subject: [{ digest: { [algorithm]: hex } }],
    predicateType,
    predicate,
  };
}

/** Makes a bundle with a signature over the bytes of a manifest. */
export function messageBundle(key: SigningKey, image: BuiltBlob): Record<string, unknown> {
  const hex = image.descriptor.digest.slice("sha256:".length);
  return {
    ...bundleHead(),
    messageSignature: {
      messageDigest: { algorithm: "SHA2_256", digest: Uint8Array.fromHex(hex).toBase64() },
      signature: key.sign(image.bytes).toBase64(),
    },
  };
}

function bundleHead(): Record<string, unknown> {
  return { mediaType: BUNDLE, verificationMaterial: { publicKey: { hint: "" }, tlogEntries: [] } };
}

export interface BuildReferrerOptions {
  /** Media type of the content, and by default type of the artifact. */
  readonly type?: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Builds a manifest that refers to an image, with content such as a bundle as its only layer. */
export function buildReferrer(
  subject: Descriptor,
  content: unknown,
  { type = BUNDLE, artifactType = type, annotations }: BuildReferrerOptions = {},
): Built {
  const bytes = content instanceof Uint8Array
    ? new Uint8Array(content)
    : toUint8Array(JSON.stringify(content));
  const config = blobOf(OCI_EMPTY, toUint8Array("{}"));
  return manifestOf(config, [blobOf(type, bytes)], { artifactType, subject, annotations });
}
