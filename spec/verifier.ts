import { type Digest, type DigestAlgorithm, Digester, digestHex, isDigest } from "./digest.ts";
import { DigestMismatchError, UnsupportedDigestError } from "./errors.ts";

/** Expected digest and, if known, size of bytes, such as a descriptor. */
export interface Expectation {
  /** Expected digest. */
  readonly digest: Digest;
  /** Expected number of bytes. */
  readonly size?: number;
}

/**
 * Verifies chunks of bytes against a digest and a size.
 *
 * Call {@linkcode Verifier.update} with each chunk *before* its use, and
 * {@linkcode Verifier.finish} at the end: only then are the bytes verified.
 *
 * @example Refuse damaged bytes that arrive in chunks
 * ```ts
 * import { DigestMismatchError, digestOf, Verifier } from "@x/oci/spec";
 * import { assertThrows } from "@std/assert";
 *
 * const encode = (text: string) => new TextEncoder().encode(text);
 * const verifier = new Verifier({ digest: digestOf(encode("hello world")), size: 11 });
 *
 * verifier.update(encode("hello "));
 * verifier.update(encode("wOrld"));
 *
 * assertThrows(() => verifier.finish(), DigestMismatchError);
 * ```
 */
export class Verifier {
  readonly #expected: Expectation;
  readonly #digester: Digester;
  readonly #source: string | undefined;
  #size = 0;

  /**
   * Creates a verifier. `source` is the origin of the bytes in errors.
   *
   * @throws {UnsupportedDigestError} If the algorithm of the digest is not supported.
   */
  constructor(expected: Expectation, source?: string) {
    this.#expected = expected;
    this.#digester = new Digester(digestAlgorithm(expected.digest));
    this.#source = source;
  }

  /** Number of bytes so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Counts and hashes a chunk.
   *
   * @param chunk The next bytes; the caller may reuse them after the call.
   * @throws {DigestMismatchError} If there are more bytes than expected.
   */
  update(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#expected.size !== undefined && this.#size > this.#expected.size) {
      throw mismatch(this.#expected, this.#size, this.#source);
    }
    this.#digester.update(chunk);
  }

  /**
   * Compares the size and the digest. Call it once, after the last chunk.
   *
   * @throws {DigestMismatchError} If the size or the digest is wrong.
   */
  finish(): void {
    const { digest, size = this.#size } = this.#expected;
    const actual = this.#size === size ? this.#digester.digest() : undefined;
    if (actual !== digest) throw mismatch(this.#expected, this.#size, this.#source, actual);
  }
}

function mismatch(
  { digest: expected, size: expectedSize }: Expectation,
  size: number,
  source: string | undefined,
  actual?: Digest,
): DigestMismatchError {
  return new DigestMismatchError({ expected, actual, expectedSize, size, source });
}

/**
 * Verifies chunks of bytes that fit into memory, like {@linkcode Verifier}. Web Crypto, which
 * cannot hash streams, hashes them at the end, so that Node's `crypto` is not loaded.
 */
export class BufferedVerifier {
  readonly #expected: Required<Expectation>;
  readonly #source: string | undefined;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  #size = 0;

  /** Creates a verifier, and allocates memory for all expected bytes. */
  constructor(expected: Required<Expectation>, source?: string) {
    this.#expected = expected;
    this.#source = source;
    this.#buffer = new Uint8Array(expected.size);
  }

  /** Number of bytes so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Counts and copies a chunk.
   *
   * @throws {DigestMismatchError} If there are more bytes than expected.
   */
  update(chunk: Uint8Array): void {
    const size = this.#size + chunk.length;
    if (size > this.#expected.size) throw mismatch(this.#expected, size, this.#source);
    this.#buffer.set(chunk, this.#size);
    this.#size = size;
  }

  /**
   * Compares the size and the digest, and releases the memory. Call it once, after the last chunk.
   *
   * @throws {DigestMismatchError} If the size or the digest is wrong.
   */
  async finish(): Promise<void> {
    try {
      await verifyBytes(this.#buffer.subarray(0, this.#size), this.#expected, this.#source);
    } finally {
      this.release();
    }
  }

  /** Releases the memory. */
  release(): void {
    const { buffer } = this.#buffer;
    if (!buffer.detached) buffer.transfer(0);
  }
}

/** Names of the algorithms in Web Crypto. */
const WEB_CRYPTO_NAMES: Readonly<Record<DigestAlgorithm, string>> = {
  sha256: "SHA-256",
  sha512: "SHA-512",
};

/**
 * Verifies bytes in memory against a digest and a size.
 *
 * Unlike {@linkcode Verifier}, it uses Web Crypto, so that programs that only read documents do not
 * load Node's `crypto`.
 *
 * @param bytes The bytes.
 * @param expected Expected digest and size.
 * @param source Origin of the bytes in the error.
 * @throws {DigestMismatchError} If the size or the digest is wrong.
 * @throws {UnsupportedDigestError} If the algorithm of the digest is not supported.
 *
 * @example Refuse a document with another digest
 * ```ts
 * import { DigestMismatchError, digestOf, verifyBytes } from "@x/oci/spec";
 * import { assertRejects } from "@std/assert";
 *
 * const encode = (text: string) => new TextEncoder().encode(text);
 * const digest = digestOf(encode('{"version":1}'));
 *
 * await verifyBytes(encode('{"version":1}'), { digest });
 *
 * await assertRejects(() => verifyBytes(encode('{"version":2}'), { digest }), DigestMismatchError);
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
  throw mismatch(expected, bytes.length, source, actual);
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

/** Returns the path of a blob below `blobs/`: `sha256/HEX`. */
export function digestPath(digest: Digest): string {
  return `${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** Formats a digest as the name of a file or a tag: `sha256-HEX`. */
export function digestName(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}`;
}

/** Streams that verify themselves, with the digest and the size that they expect. */
const VERIFYING = new WeakMap<ReadableStream, Expectation>();

/**
 * Records that a stream verifies itself: it fails instead of delivering its last bytes if they do
 * not match.
 */
export function markVerifying(stream: ReadableStream, expected: Expectation): void {
  VERIFYING.set(stream, expected);
}

/** Whether a stream compares its bytes with a descriptor, so that its reader need not hash them. */
export function verifiesItself(stream: ReadableStream, { digest, size }: Expectation): boolean {
  const expected = VERIFYING.get(stream);
  return expected !== undefined && expected.digest === digest && expected.size === size;
}
