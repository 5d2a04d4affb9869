import { explainedError } from "./error_facts.ts";
import type { Hash } from "node:crypto";

/** A hash algorithm that can be verified; the image specification registers both. */
export type DigestAlgorithm = "sha256" | "sha512";

/**
 * A digest: an algorithm, a colon and a hash, in lowercase hexadecimal for `sha256` and `sha512`.
 *
 * Documents may contain digests of other algorithms, which name content that cannot be verified.
 * {@linkcode isDigest} recognizes those that can be.
 *
 * See the OCI image specification, {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests | descriptor.md, digests}.
 */
export type Digest = `${string}:${string}`;

/** Grammar of all digests, whose parts are also valid file names. */
const DIGEST_REGEXP = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):[a-zA-Z0-9=_-]+$/;

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/**
 * Whether a value is a valid digest of a supported algorithm.
 *
 * @param value The value.
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

/** Whether a text is a valid digest of an algorithm that cannot be verified. */
export function isForeignDigest(text: string): text is Digest {
  const algorithm = DIGEST_REGEXP.exec(text)?.[1];
  return algorithm !== undefined && !Object.hasOwn(HEX_LENGTH, algorithm);
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
  throw explainedError(SyntaxError, {
    code: "invalid-text",
    action: `parse digest "${text}"`,
    subject: text,
    problem: 'it must be "sha256:" and 64, or "sha512:" and 128, lower-case hexadecimal digits',
  });
}

/**
 * Returns the hash of a digest.
 *
 * @param digest A digest.
 * @returns The hexadecimal part after the colon.
 */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/**
 * Hashes bytes in chunks.
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
  /** The hash algorithm. */
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  /** Creates a digester. */
  constructor(algorithm: DigestAlgorithm = "sha256") {
    this.algorithm = algorithm;
    // Not imported, because it takes as long to load as Deno takes to start. Web Crypto, which is
    // always loaded, cannot hash streams.
    this.#hash = globalThis.process.getBuiltinModule("node:crypto").createHash(algorithm);
  }

  /** Adds a chunk, which the caller may reuse after the call. */
  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  /** Returns the digest of all chunks. Call it once, at the end. */
  digest(): Digest {
    return `${this.algorithm}:${this.#hash.digest("hex")}`;
  }
}

/**
 * Computes the digest of bytes in memory.
 *
 * @param bytes The bytes.
 * @param algorithm The hash algorithm.
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
