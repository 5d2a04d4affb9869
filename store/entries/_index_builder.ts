import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";
import { arrangeRows, type RowEntry } from "./_arrange_rows.ts";
import * as format from "./_index_format.ts";
import { sealIndex } from "./_seal_index.ts";
import { readRecords } from "./entry_recorder.ts";

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
  const records = new DataView(new ArrayBuffer(recorded.count * format.RECORD_BYTES));
  // The texts of the index are not longer than the recorded ones.
  const text = new Uint8Array(bytes.length);
  let textLength = 0;
  const write = (at: number, value: string) => {
    const length = format.writeText(value, text.subarray(textLength));
    records.setUint32(at, length, true);
    textLength += length;
  };
  const entries: RowEntry[] = [];
  for (const header of recorded.headers) {
    const { type, linkname: link, offset } = header;
    const path = cleanPath(header.path);
    const number = entries.length;
    entries.push({ number, path, type, kind: parseWhiteout(path).kind, link, offset });
    const at = number * format.RECORD_BYTES;
    format.writeNumbers(records, at, header);
    records.setUint32(at + format.TEXT, textLength, true);
    write(at + format.PATH_LENGTH, path);
    write(at + format.LINK_LENGTH, link);
    write(at + format.EXTRA_LENGTH, format.encodeExtra(header) ?? "");
  }
  const arranged = arrangeRows(entries);
  if (arranged === undefined) return undefined;
  const index = sealIndex(records, text.subarray(0, textLength), arranged, recorded.diffId);
  return index.length > format.MAX_ENTRY_INDEX_BYTES ? undefined : index;
}
