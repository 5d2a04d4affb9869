import { nativeError } from "../linux/native_error.ts";
import type { NativeLibc } from "../linux/native_libc.ts";
import { decodeName } from "../file_name.ts";

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
