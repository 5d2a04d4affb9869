/** Text in UTF-8, or bytes as they are. */
export type Content = string | Uint8Array;

const encoder = new TextEncoder();

/** Returns text as UTF-8, or a copy of bytes. */
export function toUint8Array(content: Content): Uint8Array<ArrayBuffer> {
  return typeof content === "string" ? encoder.encode(content) : new Uint8Array(content);
}

/** Concatenates arrays of bytes. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Writes all of the text or bytes to a connection or a file. */
export async function writeAll(
  to: { write(bytes: Uint8Array): Promise<number> },
  content: Content,
): Promise<void> {
  let rest: Uint8Array = toUint8Array(content);
  while (rest.length > 0) rest = rest.subarray(await to.write(rest));
}

/** Returns incompressible bytes, which are the same for the same seed (xorshift32). */
export function noise(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}

/** Returns bytes that compress like programs: pieces of 4 KiB of noise, in any order. */
export function mixture(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = noise(4096, seed);
  const picks = noise(Math.ceil(size / 24) * 2, seed + 1);
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 24) {
    const i = at / 12;
    const from = ((picks[i] ?? 0) * 16 + (picks[i + 1] ?? 0)) % 4000;
    bytes.set(words.subarray(from, from + Math.min(24, size - at)), at);
  }
  return bytes;
}
