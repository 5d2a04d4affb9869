import type { Hash } from "node:crypto";
import { explainedError } from "./error_facts.ts";

/** A supported hash algorithm. The image specification registers both. */
export type DigestAlgorithm = "sha256" | "sha512";

/**
 * A digest: an algorithm, a colon and a hash, in lowercase hexadecimal for `sha256` and `sha512`.
 *
 * Documents may contain digests of other algorithms, whose content cannot be verified.
 * {@linkcode isDigest} tells them from digests of supported algorithms.
 *
 * See the OCI image specification, {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests | descriptor.md, digests}.
 */
export type Digest = `${string}:${string}`;

/** Grammar of all digests. Both parts are also valid file names. */
const DIGEST_REGEXP = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):[a-zA-Z0-9=_-]+$/;

/** Maximum size of content that is hashed without loading Node's `crypto`. */
const MAX_SHORT_BYTES = 1024;

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/** Every {@linkcode DigestAlgorithm}. */
export const DIGEST_ALGORITHMS: readonly DigestAlgorithm[] = Object.keys(HEX_LENGTH)
  .filter(isDigestAlgorithm);

/** Form of a digest of a supported algorithm, for error messages. */
export const DIGEST_FORM =
  '"sha256:" followed by 64, or "sha512:" followed by 128, lowercase hexadecimal digits';

/** Whether text is the name of a supported algorithm. */
export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return Object.hasOwn(HEX_LENGTH, text);
}

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
  const [, algorithm = "", hex] = /^([a-z0-9]+):([0-9a-f]+)$/.exec(value) ?? [];
  return isDigestAlgorithm(algorithm) && hex?.length === HEX_LENGTH[algorithm];
}

/** Whether text is a valid digest of an unsupported algorithm. */
export function isForeignDigest(text: string): text is Digest {
  const algorithm = DIGEST_REGEXP.exec(text)?.[1];
  return algorithm !== undefined && !isDigestAlgorithm(algorithm);
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
    problem: `it must be ${DIGEST_FORM}`,
  });
}

/**
 * Returns the hash in a digest.
 *
 * @param digest A digest.
 * @returns The hexadecimal part after the colon.
 *
 * @example Find the file of a blob in an image layout
 * ```ts
 * import { digestAlgorithm, digestHex, parseDigest } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const digest = parseDigest("sha256:" + "0".repeat(64));
 *
 * const path = `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
 *
 * assertEquals(path, "blobs/sha256/" + "0".repeat(64));
 * ```
 */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/**
 * Hashes bytes in chunks.
 *
 * @example Compute the digest of a file chunk by chunk
 * ```ts
 * import { Digester, digestOf } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 * const digester = new Digester();
 * for await (const chunk of layer.readable) digester.update(chunk);
 *
 * assertEquals(digester.digest(), digestOf(await Deno.readFile("./layer.tar.gz")));
 * ```
 */
export class Digester {
  /** The hash algorithm. */
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  /** Creates a digester, for `"sha256"` by default. */
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
 * @param algorithm The hash algorithm; `"sha256"` by default.
 * @returns The digest.
 *
 * @example Compute the digest of a document
 * ```ts
 * import { digestOf } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   digestOf(new TextEncoder().encode("{}")),
 *   "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
 * );
 * ```
 */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  if (algorithm === "sha256" && bytes.length <= MAX_SHORT_BYTES) {
    return `sha256:${sha256(bytes).toHex()}`;
  }
  const digester = new Digester(algorithm);
  digester.update(bytes);
  return digester.digest();
}

/** Returns the first 32 bits of the fractional parts of the roots of the first primes. */
function rootsOfPrimes(count: number, root: (prime: number) => number): Uint32Array {
  const constants = new Uint32Array(count);
  let found = 0;
  for (let n = 2; found < count; n++) {
    if (!isPrime(n)) continue;
    const value = root(n);
    constants[found++] = (value - Math.floor(value)) * 2 ** 32;
  }
  return constants;
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}

/** Constants of SHA-256, computed on first use: the initial state, and one for each round. */
let constants: readonly [Uint32Array, Uint32Array] | undefined;

function rotate(x: number, bits: number): number {
  return (x >>> bits) | (x << (32 - bits));
}

/**
 * Returns the SHA-256 hash of a short text, such as a key. Slower than native code by two orders of
 * magnitude, but Node's `crypto` takes longer to load than Deno takes to start, and Web Crypto is
 * asynchronous.
 */
export function sha256(bytes: Uint8Array): Uint8Array {
  constants ??= [rootsOfPrimes(8, Math.sqrt), rootsOfPrimes(64, Math.cbrt)];
  const [initial, rounds] = constants;
  const state = initial.slice();
  // Padding: one bit, zeros, and the number of bits as a 64-bit integer.
  const blocks = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  blocks.set(bytes);
  blocks[bytes.length] = 0x80;
  const view = new DataView(blocks.buffer);
  view.setBigUint64(blocks.length - 8, BigInt(bytes.length) * 8n);
  const words = new Uint32Array(64);
  for (let at = 0; at < blocks.length; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(at + i * 4);
    compress(state, words, rounds);
  }
  const hash = new Uint8Array(32);
  const output = new DataView(hash.buffer);
  for (const [i, word] of state.entries()) output.setUint32(i * 4, word);
  return hash;
}

/** Mixes a block, which is in the first 16 words, into the state. */
function compress(state: Uint32Array, words: Uint32Array, rounds: Uint32Array): void {
  for (let i = 16; i < 64; i++) {
    const x = words[i - 15] ?? 0;
    const y = words[i - 2] ?? 0;
    const low = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const high = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    words[i] = (words[i - 16] ?? 0) + low + (words[i - 7] ?? 0) + high;
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < 64; i++) {
    const mixed = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const chosen = (e & f) ^ (~e & g);
    const first = (h + mixed + chosen + (rounds[i] ?? 0) + (words[i] ?? 0)) | 0;
    const major = (a & b) ^ (a & c) ^ (b & c);
    const second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + major;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) {
    state[i] = (state[i] ?? 0) + value;
  }
}
