import { eitherSignal } from "../../registry/tasks/abortable.ts";
import { type BlobSource, openRange, readRange } from "./_read_range.ts";
import type { Extent } from "./_table_entry.ts";

/** Maximum size of a batch, which is held in memory. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** Maximum size of a gap between two parts: reading it costs less than another request. */
const GAP_BYTES = 256 * 1024;
/** Number of batches to read at once. */
const BATCHES_AHEAD = 4;

/** Parts of a blob that one request fetches. */
export interface Batch<Part extends Extent> extends Extent {
  /** The parts, in the order in which they are needed. */
  readonly parts: readonly Part[];
  /** Whether it is a single part that is too large to hold in memory. */
  readonly isLarge: boolean;
}

/**
 * Plans the requests for parts of a blob.
 *
 * @param parts The parts, in the order in which they are needed.
 * @param isSpare Whether to fetch a part only if it lies between others in a batch.
 */
export function planBatches<Part extends Extent>(
  parts: readonly Part[],
  isSpare: (part: Part) => boolean = () => false,
): readonly Batch<Part>[] {
  const batches: { start: number; end: number; parts: Part[] }[] = [];
  let spare: Part[] = [];
  for (const part of parts) {
    if (isSpare(part)) {
      spare.push(part);
      continue;
    }
    const last = batches.at(-1);
    const { start, end } = part;
    const isNear = last !== undefined && start >= last.start && start <= last.end + GAP_BYTES &&
      end - last.start <= BATCH_BYTES;
    if (!isNear) batches.push({ start, end, parts: [part] });
    else {
      last.end = Math.max(last.end, end);
      for (const one of spare) {
        if (one.start >= last.start && one.end <= last.end) last.parts.push(one);
      }
      last.parts.push(part);
    }
    spare = [];
  }
  return batches.map((batch) => ({ ...batch, isLarge: batch.end - batch.start > BATCH_BYTES }));
}

/** Reads batches of parts of a blob, some of them ahead. */
export class BatchReader<Part extends Extent> implements AsyncDisposable {
  readonly #source: BlobSource;
  readonly #batches: readonly Batch<Part>[];
  /** Number of the batch of each part. */
  readonly #places = new Map<Part, number>();
  readonly #read: (Promise<Uint8Array<ArrayBuffer>> | undefined)[] = [];
  readonly #stopped = new AbortController();
  readonly #signal: AbortSignal;
  #first = 0;

  /** Creates a reader. The parts of its batches must be read in order. */
  constructor(
    source: BlobSource,
    batches: readonly Batch<Part>[],
    signal: AbortSignal | undefined,
  ) {
    this.#source = source;
    this.#batches = batches;
    this.#signal = eitherSignal(signal, this.#stopped.signal);
    batches.forEach(({ parts }, number) => {
      for (const part of parts) this.#places.set(part, number);
    });
  }

  has(part: Part): boolean {
    return this.#places.has(part);
  }

  async *read(part: Part): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const number = this.#places.get(part) ?? 0;
    for (; this.#first < number; this.#first++) this.#read[this.#first] = undefined;
    for (const [i, batch] of this.#batches.slice(number, number + BATCHES_AHEAD).entries()) {
      this.#read[number + i] ??= this.#readBatch(batch);
    }
    const bytes = await this.#read[number];
    const { start, end } = part;
    if (bytes === undefined) yield* openRange(this.#source, start, end, this.#signal);
    else {
      const from = this.#batches[number]?.start ?? 0;
      yield bytes.subarray(start - from, end - from);
    }
  }

  /** Reads a batch; `undefined` if it is too large to hold in memory. */
  #readBatch({ start, end, isLarge }: Batch<Part>): Promise<Uint8Array<ArrayBuffer>> | undefined {
    if (isLarge) return undefined;
    const bytes = readRange(this.#source, start, end, this.#signal);
    // The error is thrown when it is the batch's turn.
    bytes.catch(() => {});
    return bytes;
  }

  /** Stops reading ahead. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await Promise.allSettled(this.#read);
  }
}
