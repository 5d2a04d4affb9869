import type { FileStatus, FileType } from "./file_tree.ts";

/** What `statx` is asked for. */
export const STATX_BASIC_STATS = 0x7ff;
/** Size of its answer. */
export const STATX_BYTES = 256;

/** What `st_mode` says of the type, in the kernel's order. */
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

/** What `st_mode` says of a type. */
export function typeBits(type: FileType): number {
  return TYPE_BITS.get(type) ?? 0;
}

/** What `statx` has found, in a `struct statx`. */
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

/** A device number as the kernel takes it: 12 bits of major, 20 of minor, interleaved. */
export function makeDevice(major: number, minor: number): bigint {
  const high = BigInt(major);
  const low = BigInt(minor);
  return (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) |
    ((high & ~0xfffn) << 32n);
}
