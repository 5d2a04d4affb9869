import type { Hash } from "node:crypto";

/** A hash algorithm that the image specification registers. */
export type DigestAlgorithm = "sha256" | "sha512";

/**
 * The identity of bytes: an algorithm, a colon and a lower-case hexadecimal hash.
 *
 * See the OCI image specification, {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests | descriptor.md, digests}.
 */
export type Digest = `${DigestAlgorithm}:${string}`;

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/**
 * Says whether a value is a digest of a supported algorithm, exactly as the specification
 * writes it.
 *
 * @param value Anything.
 * @returns Whether `value` is a {@linkcode Digest}.
 *
 * @example Tell digests from other text
 * ```ts
 * import { isDigest } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * assert(isDigest("sha256:" + "0".repeat(64)));
 * assert(!isDigest("sha256:" + "F".repeat(64)));
 * ```
 */
export function isDigest(value: unknown): value is Digest {
  if (typeof value !== "string") return false;
  const match = /^(sha256|sha512):([0-9a-f]+)$/.exec(value);
  return match !== null && match[2]?.length === HEX_LENGTH[match[1] as DigestAlgorithm];
}

/**
 * Parses a digest.
 *
 * @param text Such as `sha256:e3b0…`.
 * @returns The same text, typed.
 * @throws {SyntaxError} If `text` is not a digest of a supported algorithm.
 *
 * @example Parse a digest
 * ```ts
 * import { parseDigest } from "@x/oci/spec";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const text = "sha256:" + "0".repeat(64);
 * assertEquals(parseDigest(text), text);
 * assertThrows(() => parseDigest("md5:00"), SyntaxError);
 * ```
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new SyntaxError(
    `Cannot parse digest "${text}": it must be "sha256:" and 64, or "sha512:" and 128, ` +
      "lower-case hexadecimal digits",
  );
}

/**
 * The algorithm of a digest.
 *
 * @param digest A digest.
 * @returns The part before the colon.
 */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
}

/**
 * The hash of a digest.
 *
 * @param digest A digest.
 * @returns The hexadecimal part after the colon.
 */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/**
 * Hashes bytes that come in pieces.
 *
 * @example Hash two chunks
 * ```ts
 * import { Digester, digestOf } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const digester = new Digester("sha256");
 * digester.update(new TextEncoder().encode("hello "));
 * digester.update(new TextEncoder().encode("world"));
 *
 * assertEquals(digester.digest(), digestOf(new TextEncoder().encode("hello world")));
 * ```
 */
export class Digester {
  /** The algorithm that hashes. */
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  /** Starts with no bytes. */
  constructor(algorithm: DigestAlgorithm = "sha256") {
    this.algorithm = algorithm;
    // Loaded here rather than imported: it takes as long as Deno takes to start, and Web Crypto,
    // which is there already, hashes no streams.
    this.#hash = globalThis.process.getBuiltinModule("node:crypto").createHash(algorithm);
  }

  /** Adds a chunk; it may be reused as soon as this returns. */
  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  /** The digest of everything added. Call it once, at the end. */
  digest(): Digest {
    return `${this.algorithm}:${this.#hash.digest("hex")}`;
  }
}

/**
 * Computes the digest of bytes in memory.
 *
 * @param bytes What to hash.
 * @param algorithm Which hash.
 * @returns The digest.
 *
 * @example The digest of nothing
 * ```ts
 * import { digestOf } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   digestOf(new Uint8Array()),
 *   "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
 * );
 * ```
 */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  const digester = new Digester(algorithm);
  digester.update(bytes);
  return digester.digest();
}
