import { decodeName } from "../../layer/file_name.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import type { Digest } from "../../spec/digest.ts";
import * as format from "./_index_format.ts";

/** First bytes of recorded entries, with the version of the format. */
export const RECORDS_MAGIC = "oci records 3\n\n\n";
/** Offset of the number of entries in the head. */
const COUNT = 88;
/**
 * Offsets in the record of an entry, after the same numbers as in an index: the lengths of the path,
 * the link target and the rare attributes. These three texts follow.
 */
const PATH_LENGTH = 48;
const LINK_LENGTH = 52;
const EXTRA_LENGTH = 56;
const TEXTS = 60;

/** The entries of a layer as they were recorded. */
export interface RecordedLayer {
  readonly count: number;
  readonly headers: Iterable<TarHeader>;
  readonly diffId: Digest;
}

/** Size of a block; most layers need one. */
const BLOCK_BYTES = 262_144;

/**
 * Records the entries of a layer while it is extracted. To keep the extraction fast, they are
 * written straight into blocks of bytes, without objects for the garbage collector to track. The
 * first reader makes an index of them.
 */
export class EntryRecorder {
  /** The full blocks. The first one begins with the head. */
  readonly #full: Uint8Array[] = [];
  #bytes = new Uint8Array(BLOCK_BYTES);
  #view = new DataView(this.#bytes.buffer);
  /** Number of used bytes in the current block. */
  #length = format.HEAD_BYTES;
  /** Number of bytes in the full blocks. */
  #fullBytes = 0;
  #count = 0;
  #isDropped = false;

  /** Records an entry. Call it for all entries of a layer, in their order. */
  add(header: TarHeader): void {
    if (this.#isDropped) return;
    const { type, path } = header;
    const linkname = type === "symlink" || type === "hardlink" ? header.linkname : "";
    const extra = format.encodeExtra(header) ?? "";
    const units = path.length + linkname.length + extra.length;
    if (
      this.#count === format.MAX_ENTRIES || !this.#reserve(TEXTS + units * format.BYTES_PER_UNIT)
    ) {
      return this.#drop();
    }
    this.#count++;
    const at = this.#length;
    const view = this.#view;
    format.writeNumbers(view, at, header);
    this.#length += TEXTS;
    view.setUint32(at + PATH_LENGTH, this.#addText(path), true);
    view.setUint32(at + LINK_LENGTH, this.#addText(linkname), true);
    view.setUint32(at + EXTRA_LENGTH, this.#addText(extra), true);
  }

  /**
   * Returns the recorded entries, after the layer has been read to its end and verified. Call it
   * once.
   *
   * @returns The bytes, in order; `undefined` if there are too many entries.
   */
  finish(diffId: Digest): readonly Uint8Array[] | undefined {
    if (this.#isDropped) return undefined;
    const last = this.#bytes.subarray(0, this.#length);
    const [head = last, ...rest] = [...this.#full, last];
    new DataView(head.buffer).setUint32(COUNT, this.#count, true);
    format.sealHead(head, RECORDS_MAGIC, diffId, rest);
    return [head, ...rest];
  }

  #addText(text: string): number {
    if (this.#addAscii(text)) return text.length;
    const length = format.writeText(text, this.#bytes.subarray(this.#length));
    this.#length += length;
    return length;
  }

  /** Appends ASCII text without calling an encoder; returns `false` for other text. */
  #addAscii(text: string): boolean {
    const bytes = this.#bytes;
    const start = this.#length;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return false;
      bytes[start + i] = unit;
    }
    this.#length += text.length;
    return true;
  }

  /** Makes room for more bytes; returns whether the limit allows them. */
  #reserve(bytes: number): boolean {
    if (this.#fullBytes + this.#length + bytes > format.MAX_ENTRY_INDEX_BYTES) return false;
    if (this.#length + bytes > this.#bytes.length) {
      this.#full.push(this.#bytes.subarray(0, this.#length));
      this.#fullBytes += this.#length;
      this.#bytes = new Uint8Array(Math.max(bytes, BLOCK_BYTES));
      this.#view = new DataView(this.#bytes.buffer);
      this.#length = 0;
    }
    return true;
  }

  /** Frees the memory: there are too many entries. */
  #drop(): void {
    this.#isDropped = true;
    this.#full.length = 0;
    this.#bytes = new Uint8Array();
  }
}

/**
 * Reads recorded entries.
 *
 * @returns The entries; `undefined` if the bytes are damaged or something else.
 */
export async function readRecords(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<RecordedLayer | undefined> {
  const diffId = await format.readDiffId(bytes, RECORDS_MAGIC);
  if (diffId === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const count = view.getUint32(COUNT, true);
  return { count, headers: headersOf(bytes, view, count), diffId };
}

function* headersOf(
  bytes: Uint8Array,
  view: DataView,
  count: number,
): Generator<TarHeader, void, void> {
  let next = format.HEAD_BYTES;
  const text = (length: number) => decodeName(bytes.subarray(next, next += length));
  for (let number = 0; number < count; number++) {
    const at = next;
    next += TEXTS;
    yield {
      ...format.readNumbers(view, at),
      path: text(view.getUint32(at + PATH_LENGTH, true)),
      linkname: text(view.getUint32(at + LINK_LENGTH, true)),
      ...format.decodeExtra(text(view.getUint32(at + EXTRA_LENGTH, true))),
    };
  }
}
