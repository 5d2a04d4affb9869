import { type Digest, digestHex } from "../../spec/digest.ts";
import { JsonReader } from "../../spec/json_reader.ts";
import { digestAlgorithm } from "../../spec/verifier.ts";

/** Payload type of in-toto statements in envelopes, and media type of plain ones. */
export const IN_TOTO = "application/vnd.in-toto+json";

/** Start of the media types of sigstore bundles, which end in a version. */
export const BUNDLE = "application/vnd.dev.sigstore.bundle";

/** Supported types of statements. */
const STATEMENTS = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
/** Maximum number of signatures of one envelope. */
const MAX_SIGNATURES = 10;

/** A DSSE envelope: a payload with signatures. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly signatures: readonly Uint8Array<ArrayBuffer>[];
}

export function readEnvelope(json: JsonReader): Envelope {
  const signatures = json.at("signatures");
  if (signatures.length > MAX_SIGNATURES) signatures.fail(`at most ${MAX_SIGNATURES} signatures`);
  return {
    payloadType: json.at("payloadType").string(),
    payload: readBase64(json.at("payload")),
    signatures: signatures.array().map((item) => readBase64(item.at("sig"))),
  };
}

/** Reads base64 in the standard or the URL alphabet, as in protobuf's JSON. */
export function readBase64(json: JsonReader): Uint8Array<ArrayBuffer> {
  const text = json.string().replaceAll("-", "+").replaceAll("_", "/");
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return json.fail("base64");
  }
}

/** Returns the bytes that the signatures of an envelope sign: its pre-authentication encoding. */
export function signedBytesOf({ payloadType, payload }: Envelope): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const { length } = encoder.encode(payloadType);
  const head = encoder.encode(`DSSEv1 ${length} ${payloadType} ${payload.length} `);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

export interface Statement {
  readonly predicateType: string;
  /** Whether a digest is among its subjects. */
  isAbout(digest: Digest): boolean;
}

export function parseStatement(bytes: Uint8Array): Statement {
  const json = JsonReader.parse(bytes, "statement");
  const type = json.at("_type");
  if (!STATEMENTS.includes(type.string())) type.fail("that of an in-toto statement");
  return {
    predicateType: json.at("predicateType").string(),
    isAbout: (digest) => {
      const [algorithm, hex] = [digestAlgorithm(digest), digestHex(digest)];
      return json.at("subject").array().some((subject) => {
        return subject.maybe("digest")?.maybe(algorithm)?.value() === hex;
      });
    },
  };
}
