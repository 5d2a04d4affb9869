import { encodeName } from "../../layer/file_name.ts";
import type { Digest } from "../../spec/digest.ts";
import type { ArrangedRows, Row, RowEntry } from "./_arrange_rows.ts";
import * as format from "./_index_format.ts";

/** Writes rows and marks as an index. */
export function sealIndex(
  records: DataView,
  text: Uint8Array,
  { rows, marks, isSimple }: ArrangedRows,
  diffId: Digest,
): Uint8Array<ArrayBuffer> {
  const added = rows.flatMap((row) => row.entry === undefined ? encodeName(row.path) : []);
  const textLength = added.reduce((sum, { length }) => sum + length, text.length);
  const textAt = format.HEAD_BYTES + (rows.length + marks.length) * format.RECORD_BYTES;
  const bytes = new Uint8Array(textAt + textLength);
  const view = new DataView(bytes.buffer);
  bytes.set(text, textAt);
  const numbers = new Map(rows.map((row, number) => [row, number]));
  let at = format.HEAD_BYTES;
  let addedAt = text.length;
  const copy = (entry: RowEntry) => {
    const from = records.byteOffset + entry.number * format.RECORD_BYTES;
    bytes.set(new Uint8Array(records.buffer, from, format.RECORD_BYTES), at);
  };
  for (const row of rows) {
    if (row.entry !== undefined) copy(row.entry);
    else addedAt = writeUndescribed(view, at, row, textAt, addedAt);
    view.setUint8(at + format.FLAGS, row.flags);
    view.setUint32(at + format.END, row.end, true);
    view.setUint32(at + format.NLINK, row.nlink, true);
    const root = row.root && numbers.get(row.root);
    view.setUint32(at + format.ROOT, root === undefined ? 0 : root + 1, true);
    at += format.RECORD_BYTES;
  }
  for (const { entry, flags } of marks) {
    copy(entry);
    view.setUint8(at + format.FLAGS, flags);
    at += format.RECORD_BYTES;
  }
  view.setUint32(format.ROWS, rows.length, true);
  view.setUint32(format.MARKS, marks.length, true);
  view.setUint32(format.IS_SIMPLE, isSimple ? 1 : 0, true);
  format.sealHead(bytes, format.INDEX_MAGIC, diffId);
  return bytes;
}

/** Writes a directory without an entry. It has the metadata that an extraction would give it. */
function writeUndescribed(
  view: DataView,
  at: number,
  { path }: Row,
  textAt: number,
  pathAt: number,
): number {
  const name = encodeName(path);
  new Uint8Array(view.buffer).set(name, textAt + pathAt);
  view.setUint16(at + format.MODE, 0o755, true);
  view.setUint8(at + format.TYPE, format.TYPES.indexOf("directory"));
  view.setUint32(at + format.TEXT, pathAt, true);
  view.setUint32(at + format.PATH_LENGTH, name.length, true);
  return pathAt + name.length;
}
