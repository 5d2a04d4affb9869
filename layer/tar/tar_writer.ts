import { explainedError } from "../../spec/error_facts.ts";
import { encodeName } from "../file_name.ts";
import { BLOCK, paddingSize } from "./tar_fields.ts";
import type { TarEntryType, TarHeader, TarSegment } from "./tar_header.ts";

/**
 * Header of an entry to write. Only the type and the name are required. By default, the mode is
 * `0o755` for a directory, `0o777` for a symlink and `0o644` otherwise, other numbers are 0, and
 * texts and lists are empty.
 */
export type TarHeaderInput =
  & Pick<TarHeader, "type" | "path">
  & {
    readonly [Name in Exclude<keyof TarHeader, "offset" | "uname" | "gname" | "pax">]?:
      | TarHeader[Name]
      | undefined;
  };

const ENCODER = new TextEncoder();
/** Permissions of entries without a mode. */
const MODES: Partial<Record<TarEntryType, number>> = { directory: 0o755, symlink: 0o777 };
/** Maximum values of octal fields. */
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
 * Formats the header of an entry as in POSIX.1-2001 (pax): a `ustar` block, preceded by an extended
 * header if it cannot represent all values. Write the content after it, and then
 * {@linkcode tarPadding}. The content of a sparse file, one with `segments`, is that of its segments; for GNU
 * tar, each but the last must be a multiple of 512 bytes.
 *
 * Equal inputs yield equal bytes. An archive ends with 1024 zero bytes.
 *
 * @param input The entry.
 * @returns The blocks.
 * @throws {RangeError} If a number is not an integer, or is negative, which only IDs and times may
 * be.
 *
 * @example Write a layer with a file and a link
 * ```ts
 * import { extractLayer, MemoryTree, tarHeader, tarPadding } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const content = new TextEncoder().encode("Welcome\n");
 * const layer = new Blob([
 *   tarHeader({ type: "file", path: "etc/motd", size: content.length }),
 *   content,
 *   tarPadding(content.length),
 *   tarHeader({ type: "symlink", path: "motd", linkname: "etc/motd" }),
 *   new Uint8Array(1024),
 * ]);
 * await Deno.writeFile("./layer.tar", layer.stream());
 *
 * const tree = new MemoryTree();
 * await extractLayer(layer.stream(), tree);
 * assertEquals(tree.readLink("motd"), "etc/motd");
 * ```
 */
export function tarHeader(input: TarHeaderInput): Uint8Array<ArrayBuffer> {
  const { type, segments, linkname = "", mode = MODES[type] ?? 0o644, uid = 0, gid = 0 } = input;
  const { size = 0, mtime = 0, mtimeNs = 0, devmajor = 0, devminor = 0, xattrs = [] } = input;
  const path = type === "directory" ? `${input.path.replace(/\/$/, "")}/` : input.path;
  const map = segments === undefined ? undefined : sparseMap(segments, size);
  const stored = map === undefined
    ? size
    : map.length + (segments ?? []).reduce((sum, segment) => sum + segment.size, 0);
  const records = [
    ...map === undefined ? [] : sparseRecords(path, size),
    ...textRecord("path", path),
    ...textRecord("linkpath", linkname),
    ...numberRecord("uid", uid, MAX_ID),
    ...numberRecord("gid", gid, MAX_ID),
    ...numberRecord("size", stored, MAX_SIZE),
    ...timeRecord(mtime, mtimeNs),
    ...[...xattrs].map(([name, value]) => xattrRecord(name, value)),
  ];
  const name = map === undefined ? path : sparseName(path);
  const fields = { linkname, mode, uid, gid, mtime, devmajor, devminor };
  const block = ustarBlock(FLAGS[type], name, stored, fields);
  if (records.length === 0 && map === undefined) return block;
  const extended = concat(records);
  const extendedBlock = ustarBlock("x", paxName(path), extended.length);
  const padding = tarPadding(extended.length);
  return concat([extendedBlock, extended, padding, block, ...map === undefined ? [] : [map]]);
}

/**
 * Returns the padding after content, which aligns the next header to a block.
 *
 * @param size Size of the content in bytes.
 * @returns 0 to 511 zero bytes.
 *
 * @example Pad the content of a file
 * ```ts
 * import { tarPadding } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(tarPadding(500).length, 12);
 * assertEquals(tarPadding(1024).length, 0);
 * ```
 */
export function tarPadding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(paddingSize(size));
}

/** Fields of a block that an extended header does not need. */
type EntryFields = Pick<
  TarHeaderInput,
  "linkname" | "mode" | "uid" | "gid" | "mtime" | "devmajor" | "devminor"
>;

function ustarBlock(
  flag: string,
  name: string,
  size: number,
  fields: EntryFields = {},
): Uint8Array<ArrayBuffer> {
  const { linkname = "", mode = 0o644, uid = 0, gid = 0, mtime = 0 } = fields;
  const { devmajor = 0, devminor = 0 } = fields;
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

/** Replaces an ID that does not fit into the block. A pax record contains it. */
function idField(id: number): number {
  return id < 0 || id > MAX_ID ? 0 : id;
}

function setOctal(block: Uint8Array, at: number, length: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: "write a tar header",
      problem: `its numbers must be integers >= 0, but one is ${value}`,
    });
  }
  setText(block, at, `${value.toString(8).padStart(length - 1, "0")}\0`);
}

function setText(block: Uint8Array, at: number, text: string): void {
  block.set(ENCODER.encode(text), at);
}

/** Formats a pax record: its own length in decimal, a space, `key=value`, a line feed. */
function record(key: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const rest = concat([encodeName(` ${key}=`), value, new Uint8Array([0x0a])]);
  let length = rest.length + 1;
  while (String(length).length + rest.length > length) length++;
  return concat([ENCODER.encode(String(length)), rest]);
}

/** Formats an attribute. Only libarchive's form can represent a name with an equals sign. */
function xattrRecord(name: string, value: Uint8Array): Uint8Array {
  if (!name.includes("=")) return record(`SCHILY.xattr.${name}`, value);
  const key = `LIBARCHIVE.xattr.${name.replaceAll(/[%=]/g, encodeURIComponent)}`;
  return record(key, ENCODER.encode(value.toBase64({ omitPadding: true })));
}

/** Formats names that are too long for the block or not ASCII. */
function textRecord(key: string, text: string): Uint8Array[] {
  const bytes = encodeName(text);
  const isPlain = bytes.length <= 100 && bytes.every((byte) => byte < 0x80);
  return isPlain ? [] : [record(key, bytes)];
}

function numberRecord(key: string, value: number, max: number): Uint8Array[] {
  return value >= 0 && value <= max ? [] : [record(key, ENCODER.encode(String(value)))];
}

function timeRecord(mtime: number, mtimeNs: number): Uint8Array[] {
  if (mtimeNs === 0 && mtime >= 0 && mtime <= MAX_SIZE) return [];
  return [record("mtime", ENCODER.encode(formatTime(mtime, mtimeNs)))];
}

/** Formats seconds as a decimal: -1 s plus 0.25 s is -0.75. */
function formatTime(seconds: number, nanoseconds: number): string {
  const isNegative = seconds < 0 && nanoseconds > 0;
  const whole = isNegative ? seconds + 1 : seconds;
  const rest = isNegative ? 1_000_000_000 - nanoseconds : nanoseconds;
  const sign = isNegative && whole === 0 ? "-" : "";
  const fraction = rest === 0 ? "" : `.${String(rest).padStart(9, "0").replace(/0+$/, "")}`;
  return `${sign}${whole}${fraction}`;
}

/**
 * Formats the map of GNU's sparse format 1.0, which precedes the content. GNU tar truncates a file
 * after its last segment, so a hole at the end needs an empty segment.
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

/** Name of the file for readers that do not support sparse files. */
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
