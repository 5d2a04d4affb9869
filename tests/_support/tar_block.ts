import { concat, type Content, toUint8Array } from "./bytes.ts";

/** A number to encode, or the raw bytes of the field. */
export type NumberField = number | bigint | Content;

/**
 * The fields of a tar header block. Absent fields are empty, except for the checksum, which is
 * computed.
 */
export interface TarBlock {
  readonly name?: Content;
  readonly mode?: NumberField;
  readonly uid?: NumberField;
  readonly gid?: NumberField;
  readonly size?: NumberField;
  readonly mtime?: NumberField;
  /** Checksum to write in place of the correct one. */
  readonly checksum?: NumberField;
  readonly typeflag?: Content;
  readonly linkname?: Content;
  /** Magic and version: 8 bytes. */
  readonly magic?: Content;
  readonly uname?: Content;
  readonly gname?: Content;
  readonly devmajor?: NumberField;
  readonly devminor?: NumberField;
  readonly prefix?: Content;
  /** Bytes written over the block at an offset, before the checksum is computed. */
  readonly patch?: readonly (readonly [offset: number, bytes: Content])[];
}

/** Magic number of the dialects that have one. */
export const USTAR_MAGIC = "ustar\x0000";
/** Magic number of GNU tar, which uses `prefix` for other fields. */
export const GNU_MAGIC = "ustar  \0";

/**
 * Builds a header block with exactly the given fields, valid or not.
 *
 * A number is octal with a NUL at the end; one that does not fit is base-256, as GNU writes it.
 */
export function header(fields: TarBlock): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(512);
  const text = (at: number, width: number, value: Content = "") => {
    if (value.length === 0) return;
    if (typeof value === "string" && isAscii(value)) {
      // Encoding the fields would take most of the time for an archive of many entries.
      const length = Math.min(value.length, width);
      for (let i = 0; i < length; i++) block[at + i] = value.charCodeAt(i);
    } else {
      block.set(toUint8Array(value).subarray(0, width), at);
    }
  };
  const number = (at: number, width: number, value: NumberField = "") => {
    const isNumber = typeof value === "number" || typeof value === "bigint";
    text(at, width, isNumber ? numberField(value, width) : value);
  };
  text(0, 100, fields.name);
  number(100, 8, fields.mode);
  number(108, 8, fields.uid);
  number(116, 8, fields.gid);
  number(124, 12, fields.size);
  number(136, 12, fields.mtime);
  text(156, 1, fields.typeflag);
  text(157, 100, fields.linkname);
  text(257, 8, fields.magic);
  text(265, 32, fields.uname);
  text(297, 32, fields.gname);
  number(329, 8, fields.devmajor);
  number(337, 8, fields.devminor);
  text(345, 155, fields.prefix);
  for (const [at, bytes] of fields.patch ?? []) block.set(toUint8Array(bytes), at);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  number(148, 8, fields.checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

function numberField(value: number | bigint, width: number): Content {
  const octal = value.toString(8);
  const fits = value >= 0 && octal.length < width;
  return fits ? octal.padStart(width - 1, "0") : base256(value, width);
}

/** A number in two's complement, big endian, with the mark in the first bit. */
export function base256(value: number | bigint, width: number): Uint8Array<ArrayBuffer> {
  const field = new Uint8Array(width);
  let rest = BigInt(value);
  for (let i = width - 1; i >= 0; i--) {
    field[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  field[0] = BigInt(value) < 0n ? 0xff : (field[0] ?? 0) | 0x80;
  return field;
}

/** A body with the NULs up to the next block. */
export function padded(body: Content): Uint8Array<ArrayBuffer> {
  const bytes = toUint8Array(body);
  return concat(bytes, new Uint8Array((512 - bytes.length % 512) % 512));
}

/** Keys and values of a pax header, in order; a key may occur twice. */
export type PaxRecords =
  | Readonly<Record<string, Content>>
  | readonly (readonly [string, Content])[];

/** One record: its own length in decimal, a blank, key, `=`, value, a line feed. */
export function paxRecord(key: string, value: Content): Uint8Array<ArrayBuffer> {
  const rest = concat(toUint8Array(` ${key}=`), toUint8Array(value), toUint8Array("\n"));
  let size = rest.length;
  while (size !== rest.length + String(size).length) size = rest.length + String(size).length;
  return concat(toUint8Array(String(size)), rest);
}

/** A pax extended header: for the next entry (`x`), or for all that follow (`g`). */
export function paxHeader(records: PaxRecords, typeflag: "x" | "g" = "x"): Uint8Array<ArrayBuffer> {
  const pairs = isPairs(records) ? records : Object.entries(records);
  return paxHeaderOf(concat(...pairs.map(([key, value]) => paxRecord(key, value))), typeflag);
}

/** A pax header with exactly these bytes as its body, well formed or not. */
export function paxHeaderOf(body: Content, typeflag: "x" | "g" = "x"): Uint8Array<ArrayBuffer> {
  const bytes = toUint8Array(body);
  const block = header({
    name: typeflag === "g" ? "pax_global_header" : "PaxHeaders/entry",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: bytes.length,
    mtime: 0,
    typeflag,
    magic: USTAR_MAGIC,
  });
  return concat(block, padded(bytes));
}

/** GNU's header of a long name (`L`) or a long link name (`K`) for the next entry. */
export function gnuLongName(typeflag: "L" | "K", name: Content): Uint8Array<ArrayBuffer> {
  const body = concat(toUint8Array(name), new Uint8Array(1));
  const block = header({
    name: "././@LongLink",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: 0,
    typeflag,
    magic: GNU_MAGIC,
  });
  return concat(block, padded(body));
}

function isPairs(records: PaxRecords): records is readonly (readonly [string, Content])[] {
  return Array.isArray(records);
}
