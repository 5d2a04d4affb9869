import { type Digest, type DigestAlgorithm, digestAlgorithm, Digester } from "./digest.ts";
import { DigestMismatchError } from "./errors.ts";

/** What bytes must be: a digest and, where known, their number. A descriptor is one. */
export interface Expectation {
  /** The digest of all bytes. */
  readonly digest: Digest;
  /** How many bytes there must be. */
  readonly size?: number;
}

/**
 * Checks bytes against a digest and a size while they pass, in the chunks in which they come.
 *
 * Call {@linkcode Verifier.update} for each chunk *before* the chunk is used, and
 * {@linkcode Verifier.finish} at the end: only then are the bytes what was promised.
 *
 * @example Refuse the byte that is too many
 * ```ts
 * import { digestOf, DigestMismatchError, Verifier } from "@x/oci/spec";
 * import { assertThrows } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("hello");
 * const verifier = new Verifier({ digest: digestOf(bytes), size: 5 });
 * verifier.update(bytes);
 *
 * assertThrows(() => verifier.update(new Uint8Array(1)), DigestMismatchError);
 * ```
 */
export class Verifier {
  readonly #expected: Expectation;
  readonly #digester: Digester;
  readonly #source: string | undefined;
  #size = 0;

  /** Starts with no bytes; `source` names where they come from in the errors. */
  constructor(expected: Expectation, source?: string) {
    this.#expected = expected;
    this.#digester = new Digester(digestAlgorithm(expected.digest));
    this.#source = source;
  }

  /** How many bytes have passed. */
  get size(): number {
    return this.#size;
  }

  /**
   * Counts and hashes a chunk.
   *
   * @param chunk The next bytes; they may be reused as soon as this returns.
   * @throws {DigestMismatchError} If there are more bytes than expected.
   */
  update(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#expected.size !== undefined && this.#size > this.#expected.size) {
      throw this.#mismatch(undefined);
    }
    this.#digester.update(chunk);
  }

  /**
   * Compares the size and the digest. Call it once, after the last chunk.
   *
   * @throws {DigestMismatchError} If there were fewer bytes than expected, or others.
   */
  finish(): void {
    const { digest, size = this.#size } = this.#expected;
    if (this.#size !== size) throw this.#mismatch(undefined);
    const actual = this.#digester.digest();
    if (actual !== digest) throw this.#mismatch(actual);
  }

  #mismatch(actual: Digest | undefined): DigestMismatchError {
    return new DigestMismatchError({
      expected: this.#expected.digest,
      actual,
      expectedSize: this.#expected.size,
      size: this.#size,
      source: this.#source,
    });
  }
}

/** What Web Crypto calls the algorithms. */
const WEB_CRYPTO_NAMES: Readonly<Record<DigestAlgorithm, string>> = {
  sha256: "SHA-256",
  sha512: "SHA-512",
};

/**
 * Checks bytes that are in memory as a whole against a digest and a size.
 *
 * Unlike {@linkcode Verifier} it does with Web Crypto, so that a program that reads nothing but
 * documents does not load Node's `crypto`.
 *
 * @param bytes What to check.
 * @param expected What the bytes must be.
 * @param source Names where they come from in the error.
 * @throws {DigestMismatchError} If they are something else.
 *
 * @example Check a document
 * ```ts
 * import { digestOf, DigestMismatchError, verifyBytes } from "@x/oci/spec";
 * import { assertRejects } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("{}");
 * await verifyBytes(bytes, { digest: digestOf(bytes), size: 2 });
 *
 * await assertRejects(
 *   () => verifyBytes(new Uint8Array(2), { digest: digestOf(bytes) }),
 *   DigestMismatchError,
 * );
 * ```
 */
export async function verifyBytes(
  bytes: Uint8Array<ArrayBuffer>,
  expected: Expectation,
  source?: string,
): Promise<void> {
  const { digest, size = bytes.length } = expected;
  let actual: Digest | undefined;
  if (bytes.length === size) {
    const algorithm = digestAlgorithm(digest);
    const hash = await crypto.subtle.digest(WEB_CRYPTO_NAMES[algorithm], bytes);
    actual = `${algorithm}:${new Uint8Array(hash).toHex()}`;
    if (actual === digest) return;
  }
  throw new DigestMismatchError({
    expected: digest,
    actual,
    expectedSize: expected.size,
    size: bytes.length,
    source,
  });
}
