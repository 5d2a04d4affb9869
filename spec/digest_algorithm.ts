import { type Digest, type DigestAlgorithm, digestHex, isDigest } from "./digest.ts";
import { OciError } from "./errors.ts";

/**
 * Thrown when required content cannot be verified, because the algorithm of its digest is neither
 * `sha256` nor `sha512`. The document that refers to the content can be used without it.
 */
export class UnsupportedDigestError extends OciError {
  /** Digest of the content. */
  readonly digest: Digest;

  /** Creates the error for a digest. */
  constructor(digest: Digest) {
    const algorithm = digest.slice(0, digest.indexOf(":"));
    const shown = digest.length > 100 ? `${digest.slice(0, 100)}…` : digest;
    super(`the digest algorithm "${algorithm}" is not supported`, {
      code: "unsupported-digest",
      action: `verify ${shown}`,
      subject: digest,
      advice: "Use content with a sha256 or sha512 digest",
    });
    this.digest = digest;
  }
}

/** Throws an {@linkcode UnsupportedDigestError} if the algorithm of a digest is not supported. */
export function assertVerifiable(digest: Digest): void {
  if (!isDigest(digest)) throw new UnsupportedDigestError(digest);
}

/**
 * Returns the algorithm of a digest, by which its content is stored and verified.
 *
 * @param digest A digest.
 * @returns The part before the colon.
 * @throws {UnsupportedDigestError} If the algorithm is not supported.
 *
 * @example Get the algorithm of a digest
 * ```ts
 * import { digestAlgorithm, digestOf, UnsupportedDigestError } from "@x/oci/spec";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const digest = digestOf(new TextEncoder().encode("{}"), "sha512");
 *
 * assertEquals(digestAlgorithm(digest), "sha512");
 * assertThrows(() => digestAlgorithm("blake3:00"), UnsupportedDigestError);
 * ```
 */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  assertVerifiable(digest);
  return digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
}

/** Returns a digest as the path of a blob below `blobs/`: `sha256/HEX`. */
export function digestPath(digest: Digest): string {
  return `${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** Returns a digest as a single name, for a file or a tag: `sha256-HEX`. */
export function digestName(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}`;
}
