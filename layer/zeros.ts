/** Returns the end of the zeros that start at `from`. */
export function zerosEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  const { length } = bytes;
  while (at < length && ((bytes.byteOffset + at) & 3) !== 0) {
    if (bytes[at] !== 0) return at;
    at++;
  }
  // The remaining bytes may be fewer than a word.
  if (length - at < 4) return endByBytes(bytes, at);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (length - at) >>> 2);
  let word = 0;
  while (word < words.length && words[word] === 0) word++;
  return endByBytes(bytes, at + word * 4);
}

function endByBytes(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] === 0) at++;
  return at;
}

/** Returns the start of the zeros that end at `to`, at least `limit`. */
export function zerosStart(bytes: Uint8Array, to: number, limit: number): number {
  let at = to;
  while (at > limit && ((bytes.byteOffset + at) & 3) !== 0) {
    if (bytes[at - 1] !== 0) return at;
    at--;
  }
  const count = (at - limit) >>> 2;
  if (count > 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at - count * 4, count);
    let word = count;
    while (word > 0 && words[word - 1] === 0) word--;
    at -= (count - word) * 4;
  }
  while (at > limit && bytes[at - 1] === 0) at--;
  return at;
}
