import { timingSafeEqual } from "node:crypto";
import { setImmediate } from "node:timers/promises";

/** `$2b$COST$SALT HASH`; `2a` and `2y` are the same algorithm under older names. */
const HASH_REGEXP = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/;
const ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const TEXT = "OrpheanBeholderScryDoubt";
const MIN_COST = 4;
/** A check at this cost takes seconds; more would let a stranger's guesses occupy a server. */
const MAX_COST = 16;
const MAX_KEY_BYTES = 72;
const ROUNDS = 16;
const P_WORDS = ROUNDS + 2;
const STATE_WORDS = P_WORDS + 4 * 256;
/** How many of the 2^cost turns pass before others may run. */
const TURNS_AT_ONCE = 64;

/** Whether text is a bcrypt hash that {@linkcode bcryptMatches} can check. */
export function isBcryptHash(text: string): boolean {
  const cost = Number(HASH_REGEXP.exec(text)?.[1] ?? NaN);
  return cost >= MIN_COST && cost <= MAX_COST;
}

/**
 * Whether a password has a bcrypt hash (Provos and Mazières, 1999). Neither Deno nor Node has
 * bcrypt, and it is the one form that registries read in an htpasswd file.
 */
export async function bcryptMatches(password: string, hash: string): Promise<boolean> {
  const match = HASH_REGEXP.exec(hash);
  if (match === null || !isBcryptHash(hash)) return false;
  const [, cost = "", saltText = "", expected = ""] = match;
  const bytes = new TextEncoder().encode(`${password}\0`);
  const key = keyWords(bytes.subarray(0, MAX_KEY_BYTES));
  const salt = keyWords(decode(saltText, 16));
  const none = new Uint32Array(P_WORDS);
  const state = initialState().slice();

  expand(state, key, salt);
  for (let i = 1; i <= 2 ** Number(cost); i++) {
    expand(state, key, none);
    expand(state, salt, none);
    if (i % TURNS_AT_ONCE === 0) await setImmediate();
  }
  const pair = new Uint32Array(2);
  const actual = new DataView(new ArrayBuffer(24));
  for (let block = 0; block < 24; block += 8) {
    const text = new DataView(new TextEncoder().encode(TEXT).buffer);
    pair[0] = text.getUint32(block);
    pair[1] = text.getUint32(block + 4);
    for (let i = 0; i < 64; i++) encrypt(state, pair);
    actual.setUint32(block, pair[0]);
    actual.setUint32(block + 4, pair[1]);
  }
  return timingSafeEqual(new Uint8Array(actual.buffer, 0, 23), decode(expected, 23));
}

/** The bytes as big-endian words, from the start again at their end: as many as a key schedule takes. */
function keyWords(bytes: Uint8Array): Uint32Array {
  const words = new Uint32Array(P_WORDS);
  for (let i = 0; i < P_WORDS * 4; i++) {
    const byte = bytes[i % bytes.length] ?? 0;
    words[i >> 2] = ((words[i >> 2] ?? 0) << 8) | byte;
  }
  return words;
}

/** The salted key schedule of Blowfish. */
function expand(state: Uint32Array, key: Uint32Array, salt: Uint32Array): void {
  for (let i = 0; i < P_WORDS; i++) state[i] = (state[i] ?? 0) ^ (key[i] ?? 0);
  const pair = new Uint32Array(2);
  for (let i = 0; i < STATE_WORDS; i += 2) {
    // The salt has four words, of which each pair of the state takes two in turn.
    pair[0] = (pair[0] ?? 0) ^ (salt[i & 2] ?? 0);
    pair[1] = (pair[1] ?? 0) ^ (salt[(i & 2) + 1] ?? 0);
    encrypt(state, pair);
    state[i] = pair[0];
    state[i + 1] = pair[1];
  }
}

/** Encrypts one block; `state` is the P-array and then the four S-boxes. */
function encrypt(state: Uint32Array, pair: Uint32Array): void {
  let left = pair[0] ?? 0;
  let right = pair[1] ?? 0;
  for (let i = 0; i < ROUNDS; i++) {
    left ^= state[i] ?? 0;
    const a = state[P_WORDS + (left >>> 24)] ?? 0;
    const b = state[P_WORDS + 256 + ((left >>> 16) & 255)] ?? 0;
    const c = state[P_WORDS + 512 + ((left >>> 8) & 255)] ?? 0;
    const d = state[P_WORDS + 768 + (left & 255)] ?? 0;
    right ^= ((a + b) ^ c) + d;
    [left, right] = [right, left];
  }
  pair[0] = right ^ (state[ROUNDS + 1] ?? 0);
  pair[1] = left ^ (state[ROUNDS] ?? 0);
}

/** bcrypt's base 64: its own alphabet, no padding. */
function decode(text: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let bits = 0;
  let count = 0;
  let at = 0;
  for (const character of text) {
    bits = ((bits << 6) | ALPHABET.indexOf(character)) & 0xffff;
    count += 6;
    if (count >= 8 && at < size) bytes[at++] = bits >> (count -= 8);
  }
  return bytes;
}

let initial: Uint32Array | undefined;

/** Blowfish begins with the fraction of pi, 32 bits a word. */
function initialState(): Uint32Array {
  initial ??= piFraction(STATE_WORDS);
  return initial;
}

/** Pi by Machin's formula, 16 atan(1/5) - 4 atan(1/239), in fixed point. */
function piFraction(words: number): Uint32Array {
  const guard = 64n;
  const bits = BigInt(words * 32) + guard;
  const pi = 16n * arctangent(5n, bits) - 4n * arctangent(239n, bits);
  const hex = ((pi & ((1n << bits) - 1n)) >> guard).toString(16).padStart(words * 8, "0");
  return Uint32Array.from({ length: words }, (_, i) => Number(`0x${hex.slice(i * 8, i * 8 + 8)}`));
}

function arctangent(inverse: bigint, bits: bigint): bigint {
  const square = inverse * inverse;
  let power = (1n << bits) / inverse;
  let sum = 0n;
  for (let k = 1n; power > 0n; k += 2n) {
    sum += k % 4n === 1n ? power / k : -(power / k);
    power /= square;
  }
  return sum;
}
