import { zerosEnd, zerosStart } from "../zeros.ts";
import type { TreeFile } from "./file_tree.ts";

/** Minimum length of a run of zeros that becomes a hole. */
const HOLE_BYTES = 65_536;
/** Minimum length of a run at the end of a chunk that is held back: each one may cost a call. */
const HELD_BYTES = 4096;
const ZEROS = new Uint8Array(HOLE_BYTES);

/** Writes a new file sequentially, with holes in place of long runs of zeros. */
export class HoleWriter {
  readonly #file: Pick<TreeFile, "truncate" | "write">;
  /** End of the content so far. */
  #end = 0;
  /** Size of the file so far. */
  #written = 0;
  /** Start of the run of zeros that ends at `#end`. */
  #zeros = 0;

  constructor(file: Pick<TreeFile, "truncate" | "write">) {
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
