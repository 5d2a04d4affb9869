import { encodeName } from "../../layer/file_name.ts";
import type { TarEntryType, TarHeader } from "../../layer/tar/tar_header.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { isSealed, seal, textAt } from "./_sealed_file.ts";

/** First bytes of an index of entries, with the version of the format. */
export const INDEX_MAGIC = "oci entries 2\n\n\n";
/** Maximum size of an index. */
export const MAX_ENTRY_INDEX_BYTES = 33_554_432;
/** Maximum number of entries in an index. Sorting more takes too much memory. */
export const MAX_ENTRIES = 75_000;

/**
 * Offsets in the head: the numbers of rows and marks, whether the rows can be looked up without an
 * extraction, and the DiffID.
 */
export const ROWS = 88;
export const MARKS = 92;
export const IS_SIMPLE = 96;
const DIFF_ID_LENGTH = 100;
const DIFF_ID_AT = 104;
export const HEAD_BYTES = 256;

const ENCODER = new TextEncoder();

/** Size of a record, and offsets of its fields: five fields of 64 bits, then shorter ones. */
export const RECORD_BYTES = 76;
export const OFFSET = 0;
const SIZE = 8;
const MTIME = 16;
const UID = 24;
const GID = 32;
const MTIME_NS = 40;
export const MODE = 44;
export const TYPE = 46;
export const FLAGS = 47;
/** Position and lengths of the path, the target of a link, and rare attributes as JSON. */
export const TEXT = 48;
export const PATH_LENGTH = 52;
export const LINK_LENGTH = 56;
export const EXTRA_LENGTH = 60;
/** Number of the first row after those below a directory. */
export const END = 64;
export const NLINK = 68;
/** Number, plus one, of the row of the file that a hard link names; zero for other entries. */
export const ROOT = 72;

/** A directory without an entry. */
export const UNDESCRIBED = 1;
/** A directory that other entries use before its own entry, or a mark in such a directory. */
export const DEPENDENCY = 2;
/** A directory that a later entry describes again. */
export const SUPERSEDED = 4;

export const TYPES: readonly TarEntryType[] = [
  "file",
  "hardlink",
  "symlink",
  "character-device",
  "block-device",
  "directory",
  "fifo",
];

/** Attributes that few entries have. */
interface ExtraAttributes {
  /** Names and values, in base64. */
  readonly xattrs?: readonly (readonly [string, string])[];
  readonly devmajor?: number;
  readonly devminor?: number;
}

/** Writes the DiffID of a layer into the head of a file, and seals the file. */
export function sealHead(
  head: Uint8Array,
  magic: string,
  diffId: Digest,
  rest: readonly Uint8Array[] = [],
): void {
  head[DIFF_ID_LENGTH] = diffId.length;
  ENCODER.encodeInto(diffId, head.subarray(DIFF_ID_AT, HEAD_BYTES));
  seal(head, magic, rest);
}

/** Returns the DiffID in a sealed file; `undefined` if the file is damaged or has another format. */
export async function readDiffId(
  bytes: Uint8Array<ArrayBuffer>,
  magic: string,
): Promise<Digest | undefined> {
  if (bytes.length < HEAD_BYTES || !await isSealed(bytes, magic)) return undefined;
  const diffId = textAt(bytes, DIFF_ID_AT, bytes[DIFF_ID_LENGTH] ?? 0);
  return isDigest(diffId) ? diffId : undefined;
}

/** Maximum number of bytes of a UTF-16 code unit in UTF-8. */
export const BYTES_PER_UNIT = 3;

/** Encodes a text to the start of a buffer. Returns the number of its bytes. */
export function writeText(text: string, buffer: Uint8Array): number {
  if (text.isWellFormed()) return ENCODER.encodeInto(text, buffer).written;
  const bytes = encodeName(text);
  buffer.set(bytes);
  return bytes.length;
}

/** Writes the numbers of an entry into its record. */
export function writeNumbers(view: DataView, at: number, header: TarHeader): void {
  view.setFloat64(at + OFFSET, header.offset, true);
  view.setFloat64(at + SIZE, header.size, true);
  view.setFloat64(at + MTIME, header.mtime, true);
  view.setFloat64(at + UID, header.uid, true);
  view.setFloat64(at + GID, header.gid, true);
  view.setUint32(at + MTIME_NS, header.mtimeNs, true);
  view.setUint16(at + MODE, header.mode, true);
  view.setUint8(at + TYPE, TYPES.indexOf(header.type));
}

/** Reads the numbers of an entry from its record. The names of its owners are not recorded. */
export function readNumbers(
  view: DataView,
  at: number,
): Omit<TarHeader, "path" | "linkname" | "xattrs" | "devmajor" | "devminor"> {
  return {
    offset: view.getFloat64(at + OFFSET, true),
    type: TYPES[view.getUint8(at + TYPE)] ?? "file",
    mode: view.getUint16(at + MODE, true),
    uid: view.getFloat64(at + UID, true),
    gid: view.getFloat64(at + GID, true),
    uname: "",
    gname: "",
    size: view.getFloat64(at + SIZE, true),
    mtime: view.getFloat64(at + MTIME, true),
    mtimeNs: view.getUint32(at + MTIME_NS, true),
  };
}

/** Returns the rare attributes of an entry as JSON; `undefined` if it has none. */
export function encodeExtra({ xattrs, devmajor, devminor }: TarHeader): string | undefined {
  if (xattrs.size === 0 && devmajor === 0 && devminor === 0) return undefined;
  const extra: ExtraAttributes = {
    xattrs: [...xattrs].map(([name, value]) => [name, value.toBase64()]),
    devmajor,
    devminor,
  };
  return JSON.stringify(extra);
}

const NO_EXTRA: ReturnType<typeof decodeExtra> = { xattrs: new Map(), devmajor: 0, devminor: 0 };

/** Restores the rare attributes of an entry from JSON, whose digest has been verified. */
export function decodeExtra(text: string): Pick<TarHeader, "xattrs" | "devmajor" | "devminor"> {
  if (text === "") return NO_EXTRA;
  const { xattrs = [], devmajor = 0, devminor = 0 } = JSON.parse(text) as ExtraAttributes;
  return {
    xattrs: new Map(xattrs.map(([name, value]) => [name, Uint8Array.fromBase64(value)])),
    devmajor,
    devminor,
  };
}
