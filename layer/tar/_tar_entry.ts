import { LimitError } from "../../spec/errors.ts";
import { decodeName, encodeName, WHITEOUT_PREFIX } from "../file_name.ts";
import { paxInteger, type PaxRecords, type PaxTime, paxTime, paxXattrs } from "./_pax.ts";
import { type SparseMapKind, sparseMapKind } from "./_sparse.ts";
import { TarError, type TarErrorPlace } from "./tar_error.ts";
import { dialectOf, parseNumber, textField } from "./tar_fields.ts";
import type { TarEntryType, TarHeader } from "./tar_header.ts";
import type { AllTarLimits } from "./tar_limits.ts";

/** Extensions from the headers before an entry's own header. */
export interface Extensions {
  /** Offset of the first header of the entry. */
  readonly offset: number;
  /** From GNU's `L`. */
  readonly longName: string | undefined;
  /** From GNU's `K`. */
  readonly longLink: string | undefined;
  /** From pax `x`. */
  readonly local: PaxRecords | undefined;
  /** From all pax `g` headers so far. */
  readonly global: PaxRecords | undefined;
}

/** A parsed entry. */
export interface Entry {
  /** Header for the sink; that of a sparse file lacks the map, and possibly the size. */
  readonly header: TarHeader;
  /** Size of the body in the archive. */
  readonly stored: number;
  /** Location of the map of a sparse file. */
  readonly sparse: SparseMapKind | "blocks" | undefined;
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
  "7": "file",
  "D": "directory",
  "S": "file",
};

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/**
 * Parses the header of an entry.
 *
 * Values override each other as in Go's `archive/tar`, which wrote nearly all images: GNU long
 * names and pax records override the fields of the header. If both name an entry, they must agree.
 *
 * @param block Bytes that contain the block, whose checksum is correct.
 * @param at Offset of the block in them.
 * @throws {TarError} If a field is damaged, the type is unknown, or the entry has two names.
 * @throws {LimitError} If a name or an attribute is too long.
 */
export function readEntry(
  block: Uint8Array,
  at: number,
  extensions: Extensions,
  limits: AllTarLimits,
): Entry {
  const { offset, longName, longLink } = extensions;
  const flag = String.fromCharCode(block[at + 156] as number);
  const pax = mergeRecords(extensions.global, extensions.local);
  const dialect = dialectOf(block, at);
  const sparse = flag === "S" ? "blocks" : pax && sparseMapKind(pax, offset);
  const path = longName || (sparse && paxText(pax, "GNU.sparse.name")) || paxText(pax, "path") ||
    headerPath(block, at, dialect);
  const fields = new Fields(block, at, pax, { offset, entry: path });
  // Version 7 tar has no type for directories.
  const type = flag === "\0" && path.endsWith("/") ? "directory" : TYPES[flag];
  if (type === undefined) return fields.fail(`its type ${JSON.stringify(flag)} is unknown`);
  const linkname = longLink || paxText(pax, "linkpath") ||
    shortText(block, at + 157, at + 257);
  // Readers disagree on which of two names applies.
  if (contradicts(extensions.local, "path", longName)) fields.fail("it has two names");
  if (contradicts(extensions.local, "linkpath", longLink)) fields.fail("it has two link targets");
  const size = fields.number("size", 124, 136);
  if (size < 0) fields.fail("its size is negative");
  if (sparse !== undefined && (type !== "file" || (flag === "S" && dialect !== "gnu"))) {
    fields.fail("its type cannot be sparse");
  }
  checkNames(path, linkname, offset, limits);

  const modern = dialect !== "v7";
  const time = fields.time();
  const header: TarHeader = {
    offset,
    type,
    path,
    linkname,
    // There is no pax record for the mode.
    mode: fields.field("mode", 100, 108) & 0o7777,
    uid: fields.number("uid", 108, 116),
    gid: fields.number("gid", 116, 124),
    uname: paxText(pax, "uname") || (modern ? shortText(block, at + 265, at + 297) : ""),
    gname: paxText(pax, "gname") || (modern ? shortText(block, at + 297, at + 329) : ""),
    size: type === "file" ? fields.sparseSize(sparse) ?? size : 0,
    mtime: time.seconds,
    mtimeNs: time.nanoseconds,
    devmajor: modern ? fields.number("SCHILY.devmajor", 329, 337) : 0,
    devminor: modern ? fields.number("SCHILY.devminor", 337, 345) : 0,
    xattrs: pax === undefined ? NO_XATTRS : paxXattrs(pax, offset, limits),
    pax,
  };
  return { header, stored: type === "file" || flag === "D" ? size : 0, sparse };
}

/** The numbers of a header block, which pax records override. */
class Fields {
  readonly #block: Uint8Array;
  readonly #at: number;
  readonly #pax: PaxRecords | undefined;
  readonly #place: TarErrorPlace;

  /** Reads the block at `at`; `place` is for errors. */
  constructor(block: Uint8Array, at: number, pax: PaxRecords | undefined, place: TarErrorPlace) {
    this.#block = block;
    this.#at = at;
    this.#pax = pax;
    this.#place = place;
  }

  fail(state: string): never {
    throw new TarError(state, this.#place);
  }

  /** Reads a field, by its offsets in the block. */
  field(name: string, start: number, end: number): number {
    return this.#assertNumber(name, this.#parse(start, end));
  }

  /** Reads a pax record, or the field if the record is missing or empty. */
  number(key: string, start: number, end: number): number {
    const record = this.#pax?.get(key);
    return this.#assertNumber(key, record?.length ? paxInteger(record) : this.#parse(start, end));
  }

  /** Reads the modification time. One that no file system can store becomes the nearest exact one. */
  time(): PaxTime {
    const record = this.#pax?.get("mtime");
    const { seconds = NaN, nanoseconds = 0 } = record?.length
      ? paxTime(record) ?? {}
      : { seconds: this.#parse(136, 148) };
    if (Number.isNaN(seconds)) this.fail("its mtime is not a number");
    return {
      seconds: Math.max(Number.MIN_SAFE_INTEGER, Math.min(seconds, Number.MAX_SAFE_INTEGER)),
      nanoseconds,
    };
  }

  /** Reads the full size of a sparse file; `undefined` if its map has it. */
  sparseSize(sparse: Entry["sparse"]): number | undefined {
    if (sparse === undefined) return undefined;
    const record = this.#pax?.get("GNU.sparse.size") ?? this.#pax?.get("GNU.sparse.realsize");
    const size = sparse === "blocks" ? this.#parse(483, 495) : record && paxInteger(record);
    if (size === undefined || Number.isSafeInteger(size) && size >= 0) return size;
    return this.fail("its sparse size is not a number");
  }

  #parse(start: number, end: number): number {
    return parseNumber(this.#block, this.#at + start, this.#at + end);
  }

  #assertNumber(name: string, value: number): number {
    return Number.isSafeInteger(value) ? value : this.fail(`its ${name} is not a number`);
  }
}

/** Merges records: `x` overrides `g`, and an empty value selects the field of the header. */
function mergeRecords(global?: PaxRecords, local?: PaxRecords): PaxRecords | undefined {
  if (global === undefined || global.size === 0) return local;
  return local === undefined ? global : new Map([...global, ...local]);
}

/** Whether a record has another value than the GNU header for the same purpose. */
function contradicts(pax: PaxRecords | undefined, key: string, gnu: string | undefined): boolean {
  const text = paxText(pax, key);
  return text !== "" && (gnu || text) !== text;
}

function paxText(pax: PaxRecords | undefined, key: string): string {
  const value = pax?.get(key);
  return value === undefined ? "" : decodeName(value);
}

/** Decodes text without a `TextDecoder`: it is usually empty, or short and ASCII. */
function shortText(block: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let index = start; index < end; index++) {
    const byte = block[index] as number;
    if (byte === 0) return text;
    if (byte >= 0x80) return decodeName(textField(block, start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

function headerPath(block: Uint8Array, at: number, dialect: string): string {
  const name = decodeName(textField(block, at, at + 100));
  if (dialect === "v7" || block[at + 345] === 0) return name;
  if (dialect === "gnu" && !hasOldGoPrefix(block, at)) return name;
  const prefix = textField(block, at + 345, at + (dialect === "star" ? 476 : 500));
  return `${decodeName(prefix)}/${name}`;
}

/**
 * Whether a GNU header has a prefix. GNU headers have times in its place, but Go before 1.8 wrote a
 * prefix; anything that is not a number is one (golang/go#12594).
 */
function hasOldGoPrefix(block: Uint8Array, at: number): boolean {
  const noTime = Number.isNaN(parseNumber(block, at + 345, at + 357)) ||
    (block[at + 357] !== 0 && Number.isNaN(parseNumber(block, at + 357, at + 369)));
  return noTime && textField(block, at + 345, at + 500).every((byte) => byte < 0x80);
}

function checkNames(
  path: string,
  linkname: string,
  offset: number,
  { maxPathBytes, maxNameBytes }: AllTarLimits,
): void {
  // A file system stores neither the slash after a directory nor the prefix of a whiteout.
  const name = path.endsWith("/") ? path.slice(0, -1) : path;
  const leaf = name.lastIndexOf("/") + 1;
  const isWhiteout = name.startsWith(WHITEOUT_PREFIX, leaf);
  const stored = isWhiteout
    ? name.slice(0, leaf) + name.slice(leaf + WHITEOUT_PREFIX.length)
    : name;
  for (const name of [stored, linkname]) {
    checkLength(name, "bytes in a path", maxPathBytes, "maxPathBytes", offset);
  }
  if (byteLength(stored, maxNameBytes) <= maxNameBytes) return;
  for (const name of stored.split("/")) {
    checkLength(name, "bytes in a name", maxNameBytes, "maxNameBytes", offset);
  }
}

function checkLength(
  name: string,
  what: string,
  max: number,
  option: "maxPathBytes" | "maxNameBytes",
  offset: number,
): void {
  const size = byteLength(name, max);
  if (size > max) throw new LimitError(what, max, size, `the tar entry at byte ${offset}`, option);
}

/** Returns the size of a name; for a short name, an upper bound, which is cheaper. */
function byteLength(name: string, max: number): number {
  return name.length * 3 <= max ? name.length * 3 : encodeName(name).length;
}
