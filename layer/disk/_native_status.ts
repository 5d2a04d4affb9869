import { decodeName } from "../file_name.ts";
import { nativeError } from "../linux/native_error.ts";
import type { NativeLibc } from "../linux/native_libc.ts";
import type { FileStatus, FileType } from "../trees/file_tree.ts";

/** Mask of the requested fields. */
export const STATX_BASIC_STATS = 0x7ff;
/** Size of a `struct statx`. */
export const STATX_BYTES = 256;

/** File types by the type bits of `st_mode`. */
const TYPES: Readonly<Record<number, FileType>> = {
  0o010000: "fifo",
  0o020000: "character-device",
  0o040000: "directory",
  0o060000: "block-device",
  0o100000: "file",
  0o120000: "symlink",
  0o140000: "socket",
};
const TYPE_BITS = new Map(Object.entries(TYPES).map(([bits, type]) => [type, Number(bits)]));

/** Returns the type bits of `st_mode` for a type. */
export function typeBits(type: FileType): number {
  return TYPE_BITS.get(type) ?? 0;
}

/** Decodes a `struct statx`. */
export function readStatx(view: DataView): FileStatus {
  const mode = view.getUint16(28, true);
  return {
    type: TYPES[mode & 0o170000] ?? "file",
    mode: mode & 0o7777,
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    size: Number(view.getBigUint64(40, true)),
    nlink: view.getUint32(16, true),
    mtime: Number(view.getBigInt64(112, true)),
    mtimeNs: view.getUint32(120, true),
    dev: view.getUint32(136, true) * 0x100000 + view.getUint32(140, true),
    ino: Number(view.getBigUint64(32, true)),
    devmajor: view.getUint32(128, true),
    devminor: view.getUint32(132, true),
  };
}

/** Encodes a device number for the kernel, which interleaves 12 major and 20 minor bits. */
export function makeDevice(major: number, minor: number): bigint {
  const high = BigInt(major);
  const low = BigInt(minor);
  return (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) |
    ((high & ~0xfffn) << 32n);
}

const BUFFER_BYTES = 65_536;
const DT_UNKNOWN = 0;
const DT_DIR = 4;

/** A name in a directory. */
export interface NativeName {
  readonly name: string;
  /** Whether it is a directory; `undefined` if the file system does not report it. */
  readonly isDirectory: boolean | undefined;
}

/** Reads the names in an open directory. */
export function readNames(libc: NativeLibc, fd: number, path: string): readonly NativeName[] {
  const names: NativeName[] = [];
  const buffer = new Uint8Array(BUFFER_BYTES);
  const view = new DataView(buffer.buffer);
  const { abi: { getdents64 }, symbols } = libc;
  for (;;) {
    const length = symbols.getdents64(getdents64, fd, buffer, BigInt(BUFFER_BYTES));
    if (length < 0) throw nativeError(libc.errno(), "getdents64", path);
    if (length === 0) return names;
    // struct linux_dirent64: inode, offset, record length at 16, type at 18, name at 19.
    for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
      const name = decodeName(buffer.slice(at + 19, buffer.indexOf(0, at + 19)));
      if (name === "." || name === "..") continue;
      const type = buffer[at + 18];
      names.push({ name, isDirectory: type === DT_UNKNOWN ? undefined : type === DT_DIR });
    }
  }
}
