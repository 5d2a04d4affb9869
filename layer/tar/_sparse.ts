import { LimitError } from "../../spec/errors.ts";
import { decodeName } from "../file_name.ts";
import type { PaxRecords } from "./_pax.ts";
import { TarError } from "./tar_error.ts";
import { BLOCK, parseNumber } from "./tar_fields.ts";
import type { TarSegment } from "./tar_header.ts";

const NEWLINE = 0x0a;
const ZERO = 0x30;

/** Location of the map of a sparse file. */
export type SparseMapKind = "records" | "body";

/**
 * Detects GNU's sparse format from the records: 0.0 and 0.1 store the map in the records, 1.0 in
 * the body. Returns `undefined` if the file is not sparse.
 *
 * @throws {TarError} If the format is unknown, because its map would be read as content.
 */
export function sparseMapKind(records: PaxRecords, offset: number): SparseMapKind | undefined {
  const major = records.get("GNU.sparse.major");
  const minor = records.get("GNU.sparse.minor");
  if (major === undefined && minor === undefined) {
    if (records.has("GNU.sparse.map")) return "records";
    // Readers disagree on whether the name applies without a map.
    if (!records.has("GNU.sparse.name")) return undefined;
    throw new TarError("it has the name of a sparse file, but no map", { offset });
  }
  const version = `${decodeName(major ?? new Uint8Array())}.${
    decodeName(minor ?? new Uint8Array())
  }`;
  if (version === "0.0" || version === "0.1") return "records";
  if (version === "1.0") return "body";
  throw new TarError(`its GNU sparse format ${JSON.stringify(version)} is unknown`, { offset });
}

/**
 * Collects the map of a sparse file in any of the four formats, and validates it: segments must be
 * in order, must not overlap and must not exceed the file.
 */
export class SparseMap {
  readonly #offset: number;
  readonly #max: number;
  readonly #segments: TarSegment[] = [];
  #count = 0;
  #end = 0;
  #digits = 0;
  #number = 0;
  #start = NaN;
  #wanted = NaN;

  /** Creates an empty map for the entry at `offset`, of at most `max` segments. */
  constructor(offset: number, max: number) {
    this.#offset = offset;
    this.#max = max;
  }

  /** The segments that are not empty. */
  get segments(): readonly TarSegment[] {
    return this.#segments;
  }

  /**
   * Reads the four segments of an old GNU header, or the 21 of a continuation block.
   *
   * @returns Whether another continuation block follows.
   */
  addOldGnu(block: Uint8Array, at: number, continued: boolean): boolean {
    const first = continued ? at : at + 386;
    const flag = continued ? at + 504 : at + 482;
    for (let field = first; field + 24 <= flag; field += 24) {
      if (block[field] === 0) break;
      this.#add(parseNumber(block, field, field + 12), parseNumber(block, field + 12, field + 24));
    }
    return block[flag] !== 0;
  }

  /** Reads the record `GNU.sparse.map` of formats 0.0 and 0.1. */
  addRecords(records: PaxRecords): void {
    const text = decodeName(records.get("GNU.sparse.map") ?? new Uint8Array());
    const numbers = text === "" ? [] : text.split(",");
    const count = records.get("GNU.sparse.numblocks");
    if (
      numbers.length % 2 !== 0 ||
      (count !== undefined && Number(decodeName(count)) !== numbers.length / 2)
    ) {
      throw this.#damaged();
    }
    for (let index = 0; index < numbers.length; index += 2) {
      this.#add(decimal(numbers[index]), decimal(numbers[index + 1]));
    }
  }

  /**
   * Reads a block of the map that precedes the content in format 1.0: lines of decimal digits,
   * first the number of segments, then the offset and the size of each.
   *
   * @returns Whether the map ends in this block; the rest of the block is padding.
   */
  addBody(block: Uint8Array, at: number): boolean {
    for (let index = at; index < at + BLOCK; index++) {
      const byte = block[index] as number;
      if (byte !== NEWLINE) {
        const digit = byte - ZERO;
        if (digit < 0 || digit > 9 || ++this.#digits > 20) throw this.#damaged();
        this.#number = this.#number * 10 + digit;
        continue;
      }
      if (this.#digits === 0) throw this.#damaged();
      this.#addLine(this.#number);
      this.#digits = 0;
      this.#number = 0;
      if (this.#count === this.#wanted) return true;
    }
    return false;
  }

  #addLine(number: number): void {
    if (Number.isNaN(this.#wanted)) {
      this.#wanted = number;
      this.#checkCount(number);
    } else if (Number.isNaN(this.#start)) {
      this.#start = number;
    } else {
      this.#add(this.#start, number);
      this.#start = NaN;
    }
  }

  #add(offset: number, size: number): void {
    const end = offset + size;
    // NaN, which represents a damaged number, fails the first comparison.
    if (!(offset >= this.#end && size >= 0 && end <= Number.MAX_SAFE_INTEGER)) {
      throw this.#damaged();
    }
    this.#checkCount(++this.#count);
    this.#end = end;
    if (size > 0) this.#segments.push({ offset, size });
  }

  #checkCount(count: number): void {
    if (count <= this.#max) return;
    const subject = `the tar entry at byte ${this.#offset}`;
    throw new LimitError("segments in a sparse map", this.#max, count, subject, "maxSegments");
  }

  /**
   * Validates the complete map.
   *
   * @param stored Size of the content in the archive. Excess bytes are ignored, as in GNU tar.
   * @throws {TarError} If a segment exceeds the file, or the segments exceed the content.
   */
  check(size: number, stored: number): void {
    let sum = 0;
    for (const segment of this.#segments) sum += segment.size;
    if (this.#end > size || sum > stored) throw this.#damaged();
  }

  #damaged(): TarError {
    return new TarError("the sparse map is invalid", { offset: this.#offset });
  }
}

function decimal(text: string | undefined): number {
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : NaN;
}
