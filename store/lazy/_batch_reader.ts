import { eitherSignal } from "../../registry/tasks/abortable.ts";
import type { Batch } from "./_batches.ts";
import { type BlobSource, openRange, readRange } from "./_read_range.ts";
import type { Extent } from "./_table_entry.ts";

/** Number of batches to read at once. */
const BATCHES_AHEAD = 4;

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
