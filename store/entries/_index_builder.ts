import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";
import type { Digest } from "../../spec/digest.ts";
import { type ArrangedRows, arrangeRows } from "./_arrange_rows.ts";
import * as format from "./_index_format.ts";
import { readRecords } from "./entry_recorder.ts";

/** Metadata that an extraction gives to a directory without an entry. */
const UNDESCRIBED: TarHeader = {
  ...format.readNumbers(new DataView(new ArrayBuffer(format.RECORD_BYTES)), 0),
  ...format.decodeExtra(""),
  type: "directory",
  path: "",
  linkname: "",
  mode: 0o755,
};

/**
 * Makes an index of recorded entries.
 *
 * @returns The index; `undefined` if the bytes are damaged, or it would be too large.
 */
export async function makeIndex(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const recorded = await readRecords(bytes);
  if (recorded === undefined) return undefined;
  const entries = Array.from(recorded.headers, (header, number) => {
    const path = cleanPath(header.path);
    return { number, path, kind: parseWhiteout(path).kind, header };
  });
  const arranged = arrangeRows(entries);
  if (arranged === undefined) return undefined;
  // The texts of the entries are not longer than the recorded ones.
  const index = writeIndex(arranged, bytes.length, recorded.diffId);
  return index.length > format.MAX_ENTRY_INDEX_BYTES ? undefined : index;
}

function writeIndex(
  { rows, marks, isSimple }: ArrangedRows,
  maxTextBytes: number,
  diffId: Digest,
): Uint8Array<ArrayBuffer> {
  const textAt = format.HEAD_BYTES + (rows.length + marks.length) * format.RECORD_BYTES;
  const records = new Uint8Array(textAt);
  const view = new DataView(records.buffer);
  const added = rows.reduce((sum, { path, entry }) => entry ? sum : sum + path.length, 0);
  const text = new Uint8Array(maxTextBytes + added * format.BYTES_PER_UNIT);
  let textLength = 0;
  const writeText = (at: number, value: string) => {
    const length = format.writeText(value, text.subarray(textLength));
    view.setUint32(at, length, true);
    textLength += length;
  };
  const write = (at: number, path: string, header: TarHeader, flags: number) => {
    format.writeNumbers(view, at, header);
    view.setUint8(at + format.FLAGS, flags);
    view.setUint32(at + format.TEXT, textLength, true);
    writeText(at + format.PATH_LENGTH, path);
    writeText(at + format.LINK_LENGTH, header.linkname);
    writeText(at + format.EXTRA_LENGTH, format.encodeExtra(header) ?? "");
  };
  const numbers = new Map(rows.map((row, number) => [row, number]));
  let at = format.HEAD_BYTES;
  for (const { path, entry, flags, end, nlink, root } of rows) {
    write(at, path, entry?.header ?? UNDESCRIBED, flags);
    view.setUint32(at + format.END, end, true);
    view.setUint32(at + format.NLINK, nlink, true);
    const number = root && numbers.get(root);
    view.setUint32(at + format.ROOT, number === undefined ? 0 : number + 1, true);
    at += format.RECORD_BYTES;
  }
  for (const { entry: { path, header }, flags } of marks) {
    write(at, path, header, flags);
    at += format.RECORD_BYTES;
  }
  view.setUint32(format.ROWS, rows.length, true);
  view.setUint32(format.MARKS, marks.length, true);
  view.setUint32(format.IS_SIMPLE, isSimple ? 1 : 0, true);
  const index = new Uint8Array(textAt + textLength);
  index.set(records);
  index.set(text.subarray(0, textLength), textAt);
  format.sealHead(index, format.INDEX_MAGIC, diffId);
  return index;
}
