import type { TreeFile } from "./file_tree.ts";

/** Minimum length of a run of zeros that becomes a hole. */
const HOLE_BYTES = 65_536;
/**
 * Minimum length of a run of zeros at the end of a chunk that is held back: each one may cost an
 * additional call.
 */
const HELD_BYTES = 4096;
const ZEROS = new Uint8Array(HOLE_BYTES);

/** Writes a file sequentially, with holes in place of long runs of zeros. */
export class HoleWriter {
  readonly #file: TreeFile;
  /** End of the content so far. */
  #end = 0;
  /** Size of the file so far. */
  #written = 0;
  /** Start of the run of zeros that ends at `#end`. */
  #zeros = 0;

  constructor(file: TreeFile) {
    this.#file = file;
  }

  /** Writes the next bytes. The range between `#end` and `offset` is a hole. */
  write(chunk: Uint8Array, offset: number): void {
    if (offset > this.#end) {
      // Zeros before a hole of the archive become part of it.
      this.#zeros = this.#end = offset;
    }
    let from = 0;
    if (this.#zeros < this.#end) {
      from = zerosEnd(chunk, 0);
      if (from === chunk.length) {
        this.#end += from;
        return;
      }
      if (offset + from - this.#zeros < HOLE_BYTES) {
        this.#writeZeros(offset);
        from = 0;
      }
    }
    this.#writeAround(chunk, offset, from);
    this.#end = offset + chunk.length;
  }

  /** Writes the remaining zeros and sets the size. */
  finish(size: number): void {
    if (size - this.#zeros < HOLE_BYTES) this.#writeZeros(this.#end);
    if (this.#written < size) this.#file.truncate(size);
  }

  #writeAround(chunk: Uint8Array, offset: number, start: number): void {
    let from = start;
    // Every run of HOLE_BYTES contains a file offset that is a multiple of HOLE_BYTES.
    let sample = HOLE_BYTES - ((offset + from) % HOLE_BYTES || HOLE_BYTES) + from;
    for (; sample < chunk.length; sample += HOLE_BYTES) {
      if (sample < from || chunk[sample] !== 0) continue;
      const end = zerosEnd(chunk, sample);
      if (end === chunk.length) break;
      const begin = zerosStart(chunk, sample, from);
      if (end - begin < HOLE_BYTES) continue;
      this.#write(chunk.subarray(from, begin), offset + from);
      from = end;
    }
    const tail = zerosStart(chunk, chunk.length, from);
    this.#zeros = offset + tail;
    const to = chunk.length - tail < HELD_BYTES ? chunk.length : tail;
    this.#write(
      from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to),
      offset + from,
    );
  }

  #write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    this.#file.write(bytes, position);
    this.#written = position + bytes.length;
  }

  /** Writes the zeros that were held back, up to `end`. */
  #writeZeros(end: number): void {
    const from = Math.max(this.#written, this.#zeros);
    if (from < end) this.#write(ZEROS.subarray(0, end - from), from);
  }
}

/** Returns the end of the zeros that start at `from`. */
function zerosEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  const { length } = bytes;
  while (at < length && ((bytes.byteOffset + at) & 3) !== 0) {
    if (bytes[at] !== 0) return at;
    at++;
  }
  // The rest may be shorter than a word.
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
function zerosStart(bytes: Uint8Array, to: number, limit: number): number {
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
