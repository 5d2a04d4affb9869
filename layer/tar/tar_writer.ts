import { encodeName } from "../file_name.ts";
import type { TarEntryType, TarHeader, TarSegment } from "./tar_header.ts";

/** Of an entry, what an archive is to say of it. */
export type TarHeaderInput = Omit<TarHeader, "offset" | "uname" | "gname" | "pax">;

const BLOCK = 512;
const ENCODER = new TextEncoder();
/** The most that the octal digits of a field hold. */
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;

const FLAGS: Readonly<Record<TarEntryType, string>> = {
  "file": "0",
  "hardlink": "1",
  "symlink": "2",
  "character-device": "3",
  "block-device": "4",
  "directory": "5",
  "fifo": "6",
};

/**
 * Writes the header of an entry as POSIX.1-2001 (pax) has it: a `ustar` block, with an extended
 * header before it for what that cannot say. The content follows, filled up by
 * {@linkcode tarPadding}; of a sparse file (one with `segments`) the segments one after the other.
 * GNU tar reads it rightly if all of them but the last are whole blocks of 512 bytes.
 *
 * Equal input gives equal bytes. An archive ends with 1024 zero bytes.
 *
 * @param header The entry.
 * @returns The blocks.
 * @throws {RangeError} If a number is no whole one, or negative and neither an owner nor a time.
 *
 * @example An archive with a link
 * ```ts
 * import { tarHeader, TarParser } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const names: string[] = [];
 * const parser = new TarParser({ entry: ({ path }) => names.push(path), data() {}, end() {} });
 * parser.push(tarHeader({
 *   ...{ type: "symlink", path: "bin", linkname: "usr/bin", mode: 0o777, uid: 0, gid: 0 },
 *   ...{ size: 0, mtime: 0, mtimeNs: 0, devmajor: 0, devminor: 0, xattrs: new Map() },
 * }));
 * parser.push(new Uint8Array(1024));
 * parser.finish();
 *
 * assertEquals(names, ["bin"]);
 * ```
 */
export function tarHeader(header: TarHeaderInput): Uint8Array<ArrayBuffer> {
  const { type, linkname, size, segments } = header;
  const path = type === "directory" ? `${header.path.replace(/\/$/, "")}/` : header.path;
  const map = segments === undefined ? undefined : sparseMap(segments, size);
  const stored = map === undefined
    ? size
    : map.length + (segments ?? []).reduce((sum, segment) => sum + segment.size, 0);
  const records = [
    ...map === undefined ? [] : sparseRecords(path, size),
    ...textRecord("path", path),
    ...textRecord("linkpath", linkname),
    ...numberRecord("uid", header.uid, MAX_ID),
    ...numberRecord("gid", header.gid, MAX_ID),
    ...numberRecord("size", stored, MAX_SIZE),
    ...timeRecord(header),
    ...[...header.xattrs].map(([name, value]) => xattrRecord(name, value)),
  ];
  const block = ustarBlock(header, {
    name: map === undefined ? path : sparseName(path),
    linkname,
    size: stored,
    flag: FLAGS[type],
  });
  if (records.length === 0 && map === undefined) return block;
  const extended = concat(records);
  const extendedBlock = ustarBlock(
    { ...header, mode: 0o644, uid: 0, gid: 0, mtime: 0, devmajor: 0, devminor: 0 },
    { name: paxName(path), linkname: "", size: extended.length, flag: "x" },
  );
  const padding = tarPadding(extended.length);
  return concat([extendedBlock, extended, padding, block, ...map === undefined ? [] : [map]]);
}

/**
 * What follows content of a size, so that the next header begins a block.
 *
 * @param size How many bytes there are.
 * @returns 0 to 511 zero bytes.
 */
export function tarPadding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK - size % BLOCK) % BLOCK);
}

/** What differs between an entry's own block and that of its extended header. */
interface BlockFields {
  readonly name: string;
  readonly linkname: string;
  readonly size: number;
  readonly flag: string;
}

function ustarBlock(
  { mode, uid, gid, mtime, devmajor, devminor }: TarHeaderInput,
  { name, linkname, size, flag }: BlockFields,
): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  block.set(encodeName(name).subarray(0, 100), 0);
  setOctal(block, 100, 8, mode);
  setOctal(block, 108, 8, idField(uid));
  setOctal(block, 116, 8, idField(gid));
  setOctal(block, 124, 12, size > MAX_SIZE ? 0 : size);
  setOctal(block, 136, 12, Math.min(Math.max(mtime, 0), MAX_SIZE));
  setText(block, 156, flag);
  block.set(encodeName(linkname).subarray(0, 100), 157);
  setText(block, 257, "ustar\x0000");
  setOctal(block, 329, 8, devmajor);
  setOctal(block, 337, 8, devminor);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  setOctal(block, 148, 7, sum);
  return block;
}

/** What the block has no room for is in a record. */
function idField(id: number): number {
  return id < 0 || id > MAX_ID ? 0 : id;
}

function setOctal(block: Uint8Array, at: number, length: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(
      `Cannot write a tar header as its numbers must be integers >= 0: current value is ${value}`,
    );
  }
  setText(block, at, `${value.toString(8).padStart(length - 1, "0")}\0`);
}

function setText(block: Uint8Array, at: number, text: string): void {
  block.set(ENCODER.encode(text), at);
}

/** A pax record: its own length in decimal, a space, `key=value`, a line feed. */
function record(key: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const rest = concat([encodeName(` ${key}=`), value, new Uint8Array([0x0a])]);
  let length = rest.length + 1;
  while (String(length).length + rest.length > length) length++;
  return concat([ENCODER.encode(String(length)), rest]);
}

/** A name with an equals sign would end there: only libarchive has a form for it. */
function xattrRecord(name: string, value: Uint8Array): Uint8Array {
  if (!name.includes("=")) return record(`SCHILY.xattr.${name}`, value);
  const key = `LIBARCHIVE.xattr.${name.replaceAll(/[%=]/g, encodeURIComponent)}`;
  return record(key, ENCODER.encode(value.toBase64({ omitPadding: true })));
}

/** Names that the block has no room for, and such as are not plain ASCII. */
function textRecord(key: string, text: string): Uint8Array[] {
  const bytes = encodeName(text);
  const isPlain = bytes.length <= 100 && bytes.every((byte) => byte < 0x80);
  return isPlain ? [] : [record(key, bytes)];
}

function numberRecord(key: string, value: number, max: number): Uint8Array[] {
  return value >= 0 && value <= max ? [] : [record(key, ENCODER.encode(String(value)))];
}

function timeRecord({ mtime, mtimeNs }: TarHeaderInput): Uint8Array[] {
  if (mtimeNs === 0 && mtime >= 0 && mtime <= MAX_SIZE) return [];
  return [record("mtime", ENCODER.encode(formatTime(mtime, mtimeNs)))];
}

/** Seconds as a decimal: -1 s and 0.25 s after are -0.75. */
function formatTime(seconds: number, nanoseconds: number): string {
  const isNegative = seconds < 0 && nanoseconds > 0;
  const whole = isNegative ? seconds + 1 : seconds;
  const rest = isNegative ? 1_000_000_000 - nanoseconds : nanoseconds;
  const sign = isNegative && whole === 0 ? "-" : "";
  const fraction = rest === 0 ? "" : `.${String(rest).padStart(9, "0").replace(/0+$/, "")}`;
  return `${sign}${whole}${fraction}`;
}

/**
 * The map of GNU's format 1.0 for sparse files, which stands in front of their content. GNU tar
 * makes a file as long as its runs: one that ends with a hole gets an empty run there.
 */
function sparseMap(segments: readonly TarSegment[], size: number): Uint8Array<ArrayBuffer> {
  const { offset = 0, size: length = 0 } = segments.at(-1) ?? {};
  const runs = offset + length < size ? [...segments, { offset: size, size: 0 }] : segments;
  const numbers = [runs.length, ...runs.flatMap((run) => [run.offset, run.size])];
  const text = ENCODER.encode(`${numbers.join("\n")}\n`);
  return concat([text, tarPadding(text.length)]);
}

function sparseRecords(path: string, size: number): Uint8Array[] {
  const text = (value: string) => ENCODER.encode(value);
  return [
    record("GNU.sparse.major", text("1")),
    record("GNU.sparse.minor", text("0")),
    record("GNU.sparse.name", encodeName(path)),
    record("GNU.sparse.realsize", text(String(size))),
  ];
}

/** What readers that know nothing of sparse files call it. */
function sparseName(path: string): string {
  return `GNUSparseFile.0/${path}`.slice(0, 100);
}

function paxName(path: string): string {
  return `PaxHeaders/${path.slice(path.lastIndexOf("/", path.length - 2) + 1)}`.slice(0, 100);
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
