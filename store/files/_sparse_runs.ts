import { BLOCK } from "../../layer/tar/tar_fields.ts";
import type { TarSegment } from "../../layer/tar/tar_header.ts";

const ZEROS = new Uint8Array(BLOCK);

/**
 * Aligns the content of a sparse file to runs of whole blocks, except for the last run, because GNU
 * tar reads each run from a new block. Unaligned runs of a layer are padded with zeros, which the
 * file has there anyway.
 */
export class SparseRuns {
  /** The runs, in order. */
  readonly segments: readonly TarSegment[];
  #index = 0;
  /** Offset in the file up to which content has been written. */
  #at: number;

  /** Aligns the runs of the layer. */
  constructor(segments: readonly TarSegment[]) {
    this.segments = wholeBlocks(segments);
    this.#at = segments[0]?.offset ?? 0;
  }

  get #end(): number {
    const { offset, size } = this.segments[this.#index] ?? { offset: Infinity, size: 0 };
    return offset + size;
  }

  /** Returns the bytes to write for content of the layer, including preceding zeros. */
  *fill(
    chunk: Uint8Array<ArrayBuffer>,
    offset: number,
  ): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (; offset >= this.#end; this.#at = this.segments[++this.#index]?.offset ?? offset) {
      yield ZEROS.subarray(0, this.#end - this.#at);
    }
    yield ZEROS.subarray(0, offset - this.#at);
    yield chunk;
    this.#at = offset + chunk.length;
  }
}

function wholeBlocks(segments: readonly TarSegment[]): readonly TarSegment[] {
  const runs: { offset: number; size: number }[] = [];
  for (const { offset, size } of segments) {
    const last = runs.at(-1);
    const blocks = Math.ceil((last?.size ?? 0) / BLOCK) * BLOCK;
    if (last !== undefined && offset < last.offset + blocks) {
      last.size = offset + size - last.offset;
      continue;
    }
    if (last !== undefined) last.size = blocks;
    runs.push({ offset, size });
  }
  return runs;
}
