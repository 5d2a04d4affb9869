import { FILE_MODE, removeIfAny } from "../host/files.ts";
import { readSmallText } from "../host/read_small_file.ts";

/** A range of bytes from `start` up to but not including `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Digits of each number. Lines have a fixed width, so that a number can be replaced in place. */
const DIGITS = 16;
const LINE_BYTES = 2 * DIGITS + 2;
/** Enough for a blob of 64 GiB in the smallest ranges. */
const MAX_LINES = 65_536;

/**
 * Records which ranges of a part file have been downloaded, in a file beside it.
 *
 * Each line holds the start of a range and its number of bytes. The number is updated after the
 * bytes have been written, so the record is valid even if the process is killed at any time. After
 * a power failure the record may be wrong; the digest of the blob then reveals it.
 */
export class PartRanges implements Disposable {
  readonly #file: Deno.FsFile;
  #count: number;

  private constructor(file: Deno.FsFile, count: number) {
    this.#file = file;
    this.#count = count;
  }

  /** Returns the path of the record of a part. */
  static pathOf(part: string): string {
    return `${part}.ranges`;
  }

  /**
   * Reads the record of a part.
   *
   * @param part Path of the part.
   * @param size Size of the part; ranges beyond it are ignored.
   * @returns The ranges in order, without overlaps; `undefined` if there is no valid record.
   */
  static read(part: string, size: number): readonly ByteRange[] | undefined {
    const maxBytes = MAX_LINES * LINE_BYTES;
    let text: string | undefined;
    try {
      text = readSmallText(PartRanges.pathOf(part), { maxBytes });
    } catch {
      // The path is not a regular file; the new record replaces it.
      return undefined;
    }
    if (text === undefined || !/^(?:[0-9]{16} [0-9]{16}\n)*$/.test(text)) return undefined;
    const ranges = text.split("\n").slice(0, -1).map((line) => {
      const [start = 0, length = 0] = line.split(" ").map(Number);
      return { start, end: Math.min(size, start + length) };
    });
    return mergeRanges(ranges);
  }

  /** Creates the record of a part with its present ranges, replacing an earlier record. */
  static create(part: string, ranges: readonly ByteRange[]): PartRanges {
    const path = PartRanges.pathOf(part);
    const temporary = `${path}.tmp`;
    removeIfAny(temporary);
    const options = { read: true, write: true, createNew: true, mode: FILE_MODE };
    const file = Deno.openSync(temporary, options);
    try {
      const record = new PartRanges(file, 0);
      for (const { start, end } of ranges) record.update(record.add(start), end - start);
      Deno.renameSync(temporary, path);
      return record;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Removes the record of a part if it exists. */
  static remove(part: string): void {
    removeIfAny(PartRanges.pathOf(part));
  }

  /** Adds an empty range and returns its index. */
  add(start: number): number {
    const index = this.#count++;
    this.#write(index * LINE_BYTES, `${digits(start)} ${digits(0)}\n`);
    return index;
  }

  /** Records how many bytes of a range have been written. */
  update(index: number, length: number): void {
    this.#write(index * LINE_BYTES + DIGITS + 1, digits(length));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  #write(position: number, text: string): void {
    this.#file.seekSync(position, Deno.SeekMode.Start);
    this.#file.writeSync(new TextEncoder().encode(text));
  }
}

/** Sorts ranges and joins those that touch or overlap; drops empty ones. */
export function mergeRanges(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const merged: ByteRange[] = [];
  const sorted = ranges.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || range.start > last.end) merged.push(range);
    else merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
  }
  return merged;
}

/** Returns the gaps between the present ranges, up to the size of the blob. */
export function missingRanges(present: readonly ByteRange[], size: number): readonly ByteRange[] {
  const missing: ByteRange[] = [];
  let position = 0;
  for (const { start, end } of present) {
    if (start > position) missing.push({ start: position, end: start });
    position = Math.max(position, end);
  }
  if (position < size) missing.push({ start: position, end: size });
  return missing;
}

function digits(value: number): string {
  return String(value).padStart(DIGITS, "0");
}
