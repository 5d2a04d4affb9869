import { decodeName, encodeName } from "../../layer/file_name.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { decodeExtra, encodeExtra, MAX_ENTRIES, MAX_INDEX_BYTES, TYPES } from "./_index_format.ts";
import { isSealed, seal, textAt } from "./_sealed_file.ts";

/** First bytes of recorded entries; the number is the version of the format. */
export const RECORDS_MAGIC = "oci records 1\n\n\n";
/** Parts of the sealed bytes: the number of entries, sizes of the texts, and the archive. */
const COUNT = 88;
const TEXT_LENGTH = 92;
const ARCHIVE_BYTES = 96;
const DIFF_ID_LENGTH = 104;
const DIFF_ID_AT = 108;
const NUMBERS_AT = 256;
/** Numbers of an entry: offset, size, time, nanoseconds, owner, group, type and mode. */
const COLUMNS = 7;
const MODES = 65_536;

/** The entries of a layer as they were recorded. */
export interface RecordedLayer {
  readonly headers: Iterable<TarHeader>;
  readonly diffId: Digest;
  readonly archiveBytes: number;
}

/**
 * Records the entries of a layer while it is extracted, which must not take longer for it. The first
 * reader makes an index of them.
 */
export class EntryRecorder {
  #numbers = new Float64Array(COLUMNS * 1024);
  #count = 0;
  /** Paths, targets of links, and rare attributes. */
  readonly #texts: string[] = [];
  #bytes = 0;

  /** Records an entry. Call it for all entries of a layer, in their order. */
  add(header: TarHeader): void {
    const { type, path, linkname, mode } = header;
    const isLink = type === "symlink" || type === "hardlink";
    this.#bytes += COLUMNS * 8 + path.length + (isLink ? linkname.length : 0);
    if (this.#count === MAX_ENTRIES) this.#bytes = Infinity;
    if (this.#bytes > MAX_INDEX_BYTES) return this.#drop();
    const at = this.#count++ * COLUMNS;
    if (at + COLUMNS > this.#numbers.length) {
      const numbers = new Float64Array(this.#numbers.length * 2);
      numbers.set(this.#numbers);
      this.#numbers = numbers;
    }
    const numbers = this.#numbers;
    numbers[at] = header.offset;
    numbers[at + 1] = header.size;
    numbers[at + 2] = header.mtime;
    numbers[at + 3] = header.mtimeNs;
    numbers[at + 4] = header.uid;
    numbers[at + 5] = header.gid;
    numbers[at + 6] = TYPES.indexOf(type) * MODES + mode;
    this.#texts.push(path, isLink ? linkname : "", encodeExtra(header) ?? "");
  }

  /**
   * Returns the recorded entries, after the layer has been read to its end and verified.
   *
   * @param diffId Digest of the archive.
   * @param archiveBytes Size of the archive up to its last entry.
   * @returns The bytes; `undefined` if there are too many entries.
   */
  finish(diffId: Digest, archiveBytes: number): Uint8Array<ArrayBuffer> | undefined {
    if (this.#bytes > MAX_INDEX_BYTES) return undefined;
    // No text has a NUL: the layer could not have been extracted.
    const text = encodeName(this.#texts.join("\0"));
    const numbers = this.#numbers.subarray(0, this.#count * COLUMNS);
    const bytes = new Uint8Array(NUMBERS_AT + numbers.byteLength + text.length);
    const view = new DataView(bytes.buffer);
    new Float64Array(bytes.buffer, NUMBERS_AT, numbers.length).set(numbers);
    bytes.set(text, NUMBERS_AT + numbers.byteLength);
    view.setUint32(COUNT, this.#count, true);
    view.setUint32(TEXT_LENGTH, text.length, true);
    view.setFloat64(ARCHIVE_BYTES, archiveBytes, true);
    view.setUint32(DIFF_ID_LENGTH, diffId.length, true);
    new TextEncoder().encodeInto(diffId, bytes.subarray(DIFF_ID_AT, NUMBERS_AT));
    seal(bytes, RECORDS_MAGIC);
    return bytes;
  }

  #drop(): void {
    this.#count = this.#texts.length = 0;
    this.#numbers = new Float64Array();
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
  if (bytes.length < NUMBERS_AT || !await isSealed(bytes, RECORDS_MAGIC)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const diffId = textAt(bytes, DIFF_ID_AT, view.getUint32(DIFF_ID_LENGTH, true));
  if (!isDigest(diffId)) return undefined;
  const count = view.getUint32(COUNT, true);
  const numbers = new Float64Array(bytes.slice(NUMBERS_AT).buffer, 0, count * COLUMNS);
  const textsAt = NUMBERS_AT + numbers.byteLength;
  const texts = decodeName(bytes.subarray(textsAt, textsAt + view.getUint32(TEXT_LENGTH, true)));
  return {
    headers: headersOf(numbers, texts.split("\0")),
    diffId,
    archiveBytes: view.getFloat64(ARCHIVE_BYTES, true),
  };
}

function* headersOf(
  numbers: Float64Array,
  texts: readonly string[],
): Generator<TarHeader, void, void> {
  for (let entry = 0; entry * COLUMNS < numbers.length; entry++) {
    const number = (column: number) => numbers[entry * COLUMNS + column] ?? 0;
    const [path = "", linkname = "", extra = ""] = texts.slice(entry * 3, entry * 3 + 3);
    yield {
      offset: number(0),
      type: TYPES[Math.floor(number(6) / MODES)] ?? "file",
      path,
      linkname,
      mode: number(6) % MODES,
      uid: number(4),
      gid: number(5),
      uname: "",
      gname: "",
      size: number(1),
      mtime: number(2),
      mtimeNs: number(3),
      ...decodeExtra(extra),
    };
  }
}
