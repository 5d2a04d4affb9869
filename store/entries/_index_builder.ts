import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import { encodeName } from "../../layer/file_name.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";
import type { Digest } from "../../spec/digest.ts";
import { arrangeRows, type RowEntry } from "./_arrange_rows.ts";
import * as format from "./_index_format.ts";
import { sealIndex } from "./_seal_index.ts";
import { readRecords } from "./entry_recorder.ts";

const FIRST_ROOM = 65_536;
const ENCODER = new TextEncoder();

/** Makes an index of the entries of a layer. */
export class IndexBuilder {
  #entries: RowEntry[] = [];
  #records = new DataView(new ArrayBuffer(FIRST_ROOM));
  #text = new Uint8Array(FIRST_ROOM);
  #textLength = 0;
  #isFull = false;

  /** Adds an entry. Call it for all entries of a layer, in their order. */
  add(header: TarHeader): void {
    if (this.#isFull) return;
    const path = cleanPath(header.path);
    const number = this.#entries.length;
    const at = number * format.RECORD_BYTES;
    if (number === format.MAX_ENTRIES || at + this.#textLength > format.MAX_ENTRY_INDEX_BYTES) {
      this.#entries = [];
      this.#isFull = true;
      return;
    }
    if (at + format.RECORD_BYTES > this.#records.byteLength) {
      this.#records = new DataView(this.#records.buffer.transfer(this.#records.byteLength * 2));
    }
    const { type, linkname, offset } = header;
    const link = type === "symlink" || type === "hardlink" ? linkname : "";
    const { kind } = parseWhiteout(path);
    this.#entries.push({ number, path, type, kind, link, offset });
    const view = this.#records;
    format.writeNumbers(view, at, header);
    view.setUint32(at + format.TEXT, this.#textLength, true);
    view.setUint32(at + format.PATH_LENGTH, this.#write(path), true);
    if (link !== "") view.setUint32(at + format.LINK_LENGTH, this.#write(link), true);
    const extra = format.encodeExtra(header);
    if (extra !== undefined) view.setUint32(at + format.EXTRA_LENGTH, this.#write(extra), true);
  }

  /**
   * Makes the index.
   *
   * @returns The bytes of the index; `undefined` if it would be too large.
   */
  finish(diffId: Digest, archiveBytes: number): Uint8Array<ArrayBuffer> | undefined {
    if (this.#isFull) return undefined;
    const arranged = arrangeRows(this.#entries);
    if (arranged === undefined) return undefined;
    const text = this.#text.subarray(0, this.#textLength);
    const bytes = sealIndex(this.#records, text, arranged, { diffId, archiveBytes });
    return bytes.length > format.MAX_ENTRY_INDEX_BYTES ? undefined : bytes;
  }

  /** Appends text, and returns the number of its bytes. */
  #write(text: string): number {
    // Three bytes for each code unit are always enough.
    const room = this.#textLength + text.length * 3;
    if (room > this.#text.length) {
      this.#text = new Uint8Array(
        this.#text.buffer.transfer(Math.max(this.#text.length * 2, room)),
      );
    }
    const rest = this.#text.subarray(this.#textLength);
    let length: number;
    if (text.isWellFormed()) {
      length = ENCODER.encodeInto(text, rest).written;
    } else {
      const bytes = encodeName(text);
      rest.set(bytes);
      length = bytes.length;
    }
    this.#textLength += length;
    return length;
  }
}

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
  const builder = new IndexBuilder();
  for (const header of recorded.headers) builder.add(header);
  return builder.finish(recorded.diffId, recorded.archiveBytes);
}
