import { type SeekPoint, WINDOW_BYTES } from "../../layer/compression/seek_points.ts";
import { digestOf, isDigest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import { openRegularFile, type RegularFile } from "../host/open_regular_file.ts";

/** First bytes of a file of seek points; the number is the version of the format. */
export const MAGIC = "oci points 1\n\n\n\n";
const SUM_AT = 16;
const SUM_LENGTH = 71;
const COUNT_AT = 88;
const HEAD_BYTES = 92;
/** Offset, offset in the blob, bits, and the digest of the window. */
const ROW_BYTES = 96;
const MAX_POINTS = 1024;

/** Writes seek points: a digest of the table, the table, and the windows, each with a digest. */
export function encodeSeekPoints(points: readonly SeekPoint[]): Uint8Array<ArrayBuffer> {
  const windowsAt = HEAD_BYTES + points.length * ROW_BYTES;
  const bytes = new Uint8Array(windowsAt + points.length * WINDOW_BYTES);
  const view = new DataView(bytes.buffer);
  const encoder = new TextEncoder();
  view.setUint32(COUNT_AT, points.length, true);
  points.forEach(({ offset, blobOffset, bits, window }, index) => {
    const at = HEAD_BYTES + index * ROW_BYTES;
    view.setFloat64(at, offset, true);
    view.setFloat64(at + 8, blobOffset, true);
    view.setUint8(at + 16, bits);
    encoder.encodeInto(digestOf(window), bytes.subarray(at + 17));
    bytes.set(window, windowsAt + index * WINDOW_BYTES);
  });
  encoder.encodeInto(MAGIC, bytes);
  encoder.encodeInto(digestOf(bytes.subarray(COUNT_AT, windowsAt)), bytes.subarray(SUM_AT));
  return bytes;
}

/**
 * Finds the last seek point at or before an offset in the archive of a layer.
 *
 * @param path Path of the file.
 * @param offset The offset.
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
  if (head === undefined || text(head, 0, MAGIC.length) !== MAGIC) return undefined;
  const count = new DataView(head.buffer).getUint32(COUNT_AT, true);
  if (count > MAX_POINTS) return undefined;
  const bytes = await readAt(file, COUNT_AT, HEAD_BYTES - COUNT_AT + count * ROW_BYTES);
  if (bytes === undefined || !await isIntact(bytes, text(head, SUM_AT, SUM_LENGTH))) {
    return undefined;
  }
  const view = new DataView(bytes.buffer);
  return { count, bytes, offsetOf: (index) => view.getFloat64(rowAt(index), true) };
}

async function readPoint(
  file: RegularFile["file"],
  { count, bytes, offsetOf }: Table,
  index: number,
): Promise<SeekPoint | undefined> {
  const at = rowAt(index);
  const window = await readAt(
    file,
    HEAD_BYTES + count * ROW_BYTES + index * WINDOW_BYTES,
    WINDOW_BYTES,
  );
  if (window === undefined || !await isIntact(window, text(bytes, at + 17, SUM_LENGTH))) {
    return undefined;
  }
  const view = new DataView(bytes.buffer);
  const blobOffset = view.getFloat64(at + 8, true);
  return { offset: offsetOf(index), blobOffset, bits: view.getUint8(at + 16), window };
}

/** Returns the place of a row in the table, which begins with the count. */
function rowAt(index: number): number {
  return HEAD_BYTES - COUNT_AT + index * ROW_BYTES;
}

function text(bytes: Uint8Array, at: number, length: number): string {
  return new TextDecoder().decode(bytes.subarray(at, at + length));
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

async function isIntact(
  bytes: Uint8Array<ArrayBuffer>,
  digest: string,
): Promise<boolean> {
  if (!isDigest(digest)) return false;
  try {
    await verifyBytes(bytes, { digest });
    return true;
  } catch (error) {
    if (error instanceof DigestMismatchError) return false;
    throw error;
  }
}
