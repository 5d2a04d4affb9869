import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { explainedError } from "../../spec/error_facts.ts";

/** Hash algorithms to try, by elliptic curve. Cosign uses SHA-256 for all. */
const CURVES: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ["sha256"],
  secp384r1: ["sha256", "sha384"],
};
const MIN_RSA_BITS = 2048;
/** A block of PEM. */
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\n[^-]*-----END \1-----/g;

/**
 * Parses a public key.
 *
 * @param pem The key, such as the content of `cosign.pub`.
 * @returns A function that returns whether a signature over bytes is valid.
 * @throws {SyntaxError} If it is not one public key in PEM, or of an unsupported kind.
 */
export function keyVerifier(pem: string): (bytes: Uint8Array, signature: Uint8Array) => boolean {
  const key = parseKey(pem);
  const hashes = hashesOf(key);
  return (bytes, signature) => {
    try {
      return hashes.some((hash) => verify(hash, bytes, key, signature));
    } catch {
      // The signature does not have the format for this type of key.
      return false;
    }
  };
}

function parseKey(pem: string): KeyObject {
  // The text around a block is a comment.
  const [block, another] = pem.replaceAll(/\r\n?/g, "\n").matchAll(BLOCK);
  const { 0: text = "", 1: type = "" } = block ?? [];
  // `createPublicKey()` would also accept a private key.
  if (!/^(?:RSA )?PUBLIC KEY$/.test(type)) throw keyError("it is not a public key in PEM");
  if (another !== undefined) throw keyError("it has more than one key");
  try {
    return createPublicKey(text);
  } catch (cause) {
    throw keyError("it is damaged, or of an unsupported kind", { cause });
  }
}

/** Returns the hash algorithms to try; `null` stands for that of the signature scheme. */
function hashesOf({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject) {
  const { namedCurve = "", modulusLength = 0 } = asymmetricKeyDetails;
  if (asymmetricKeyType === "ed25519") return [null];
  if (asymmetricKeyType === "rsa") {
    if (modulusLength >= MIN_RSA_BITS) return ["sha256"];
    throw keyError(`it has ${modulusLength} bits, fewer than ${MIN_RSA_BITS}`);
  }
  const hashes = asymmetricKeyType === "ec" ? CURVES[namedCurve] : undefined;
  if (hashes !== undefined) return hashes;
  throw keyError(`"${namedCurve || asymmetricKeyType}" keys are not supported`);
}

function keyError(problem: string, options?: ErrorOptions): SyntaxError {
  return explainedError(SyntaxError, {
    code: "invalid-text",
    action: "use the public key",
    problem,
    advice: "Use an ECDSA, Ed25519 or RSA key in PEM, such as cosign.pub",
    option: "verify",
  }, options);
}
