import type { Extent } from "./_table_entry.ts";

/** Maximum size of a batch, which is held in memory. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** Maximum size of a gap between two parts: reading it costs less than another request. */
const GAP_BYTES = 256 * 1024;

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
