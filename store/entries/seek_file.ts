import { type SeekPoint, WINDOW_BYTES } from "../../layer/compression/seek_points.ts";
import { digestOf } from "../../spec/digest.ts";
import { openRegularFile, type RegularFile } from "../host/open_regular_file.ts";
import { hasDigest, isSealed, seal, SEALED_AT, textAt } from "./_sealed_file.ts";

/** First bytes of a file of seek points, with the version of the format. */
export const POINTS_MAGIC = "oci points 1\n\n\n\n";
/** The number of points, then their rows. */
const HEAD_BYTES = SEALED_AT + 4;
/** Offset, offset in the blob, bits, and the digest of the window. */
const ROW_BYTES = 96;
const SUM_AT = 17;
const SUM_LENGTH = 71;
const MAX_POINTS = 1024;

/** Encodes seek points: a sealed table with the digests of the windows, and the windows. */
export function encodeSeekPoints(points: readonly SeekPoint[]): readonly Uint8Array[] {
  const bytes = new Uint8Array(rowAt(points.length));
  const view = new DataView(bytes.buffer);
  const encoder = new TextEncoder();
  view.setUint32(SEALED_AT, points.length, true);
  points.forEach(({ offset, blobOffset, bits, window }, index) => {
    const at = rowAt(index);
    view.setFloat64(at, offset, true);
    view.setFloat64(at + 8, blobOffset, true);
    view.setUint8(at + 16, bits);
    encoder.encodeInto(digestOf(window), bytes.subarray(at + SUM_AT));
  });
  seal(bytes, POINTS_MAGIC);
  return [bytes, ...points.map(({ window }) => window)];
}

/**
 * Finds the last seek point at or before an offset in the archive of a layer.
 *
 * @returns The point; `undefined` if there is none, or the file is damaged or of another version.
 */
export async function findSeekPoint(path: string, offset: number): Promise<SeekPoint | undefined> {
  using opened = openRegularFile(path);
  if (opened === undefined) return undefined;
  const table = await readTable(opened.file);
  if (table === undefined) return undefined;
  let index = table.count - 1;
  while (index >= 0 && table.offsetOf(index) > offset) index--;
  return index < 0 ? undefined : await readPoint(opened.file, table, index);
}

/** Whether a file of seek points is complete and not damaged. */
export async function checkSeekFile(path: string): Promise<boolean> {
  using opened = openRegularFile(path);
  if (opened === undefined) return true;
  const table = await readTable(opened.file);
  if (table === undefined) return false;
  for (let index = 0; index < table.count; index++) {
    if (await readPoint(opened.file, table, index) === undefined) return false;
  }
  return true;
}

interface Table {
  readonly count: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  offsetOf(index: number): number;
}

async function readTable(file: RegularFile["file"]): Promise<Table | undefined> {
  const head = await readAt(file, 0, HEAD_BYTES);
  if (head === undefined) return undefined;
  const count = new DataView(head.buffer).getUint32(SEALED_AT, true);
  if (count > MAX_POINTS) return undefined;
  const bytes = await readAt(file, 0, rowAt(count));
  if (bytes === undefined || !await isSealed(bytes, POINTS_MAGIC)) return undefined;
  const view = new DataView(bytes.buffer);
  return { count, bytes, offsetOf: (index) => view.getFloat64(rowAt(index), true) };
}

async function readPoint(
  file: RegularFile["file"],
  { count, bytes, offsetOf }: Table,
  index: number,
): Promise<SeekPoint | undefined> {
  const at = rowAt(index);
  const window = await readAt(file, rowAt(count) + index * WINDOW_BYTES, WINDOW_BYTES);
  if (window === undefined) return undefined;
  if (!await hasDigest(window, textAt(bytes, at + SUM_AT, SUM_LENGTH))) return undefined;
  const view = new DataView(bytes.buffer);
  const blobOffset = view.getFloat64(at + 8, true);
  return { offset: offsetOf(index), blobOffset, bits: view.getUint8(at + 16), window };
}

/** Returns the offset of a row in the file. The windows begin after the last row. */
function rowAt(index: number): number {
  return HEAD_BYTES + index * ROW_BYTES;
}

async function readAt(
  file: RegularFile["file"],
  at: number,
  size: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(size);
  await file.seek(at, Deno.SeekMode.Start);
  for (let filled = 0; filled < size;) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) return undefined;
    filled += count;
  }
  return bytes;
}
