import type { TableEntry } from "./_table_entry.ts";

/** Maximum size of a batch, which is held in memory. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** Maximum size of a gap between two files: fetching it costs less than another request. */
const GAP_BYTES = 256 * 1024;

/** Files whose contents one request fetches. */
export interface Batch {
  /** Offset in the blob of the first byte. */
  readonly start: number;
  /** Offset in the blob after the last byte. */
  readonly end: number;
  /** Numbers of the entries in the table. */
  readonly numbers: readonly number[];
  /** Whether it is a single file that is too large to hold in memory. */
  readonly isLarge: boolean;
}

/**
 * Plans the requests for the contents of files.
 *
 * @param numbers Numbers of the entries of the files, which keep their order.
 */
export function planBatches(
  entries: readonly TableEntry[],
  numbers: readonly number[],
): readonly Batch[] {
  const batches: { start: number; end: number; numbers: number[] }[] = [];
  for (const number of numbers) {
    const last = batches.at(-1);
    const { start, end } = entries[number]?.content ?? { start: last?.end ?? 0, end: 0 };
    const isNear = last !== undefined && start >= last.start && start <= last.end + GAP_BYTES &&
      end - last.start <= BATCH_BYTES;
    if (!isNear) batches.push({ start, end: Math.max(start, end), numbers: [number] });
    else {
      last.end = Math.max(last.end, end);
      last.numbers.push(number);
    }
  }
  return batches.map((batch) => ({ ...batch, isLarge: batch.end - batch.start > BATCH_BYTES }));
}
