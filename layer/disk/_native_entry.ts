import { decodeName, encodeCString } from "../file_name.ts";
import { nativeError } from "../linux/native_error.ts";
import type { NativeLibc } from "../linux/native_libc.ts";
import type { TreeFile } from "../trees/file_tree.ts";
import { checkOwner } from "../trees/owner_ids.ts";

const AT_EMPTY_PATH = 0x1000;
const EMPTY = new Uint8Array(1);
/** Buffer for attribute values and lists, of the maximum size. */
const XATTR = new Uint8Array(65_536);
/** Buffer for the times of one call. */
const TIMES = new Int32Array(8);
const TIMES_BYTES = new Uint8Array(TIMES.buffer);

/**
 * An entry with an open descriptor. If it was opened with `O_PATH`, which works for every type, its
 * metadata is changed through `/proc/self/fd`, which refers to that entry and follows no symlink.
 */
export class NativeEntry implements TreeFile {
  readonly #libc: NativeLibc;
  readonly #calls: NativeLibc["symbols"];
  readonly #fd: number;
  readonly #path: string;
  readonly #isPath: boolean;
  #procName: Uint8Array<ArrayBuffer> | undefined;

  constructor(libc: NativeLibc, fd: number, path: string, isPath: boolean) {
    this.#libc = libc;
    this.#calls = libc.symbols;
    this.#fd = fd;
    this.#path = path;
    this.#isPath = isPath;
  }

  write(bytes: Uint8Array, position: number): void {
    let rest = bytes as Uint8Array<ArrayBuffer>;
    let at = position;
    while (rest.length > 0) {
      const written = this.#calls.pwrite(this.#fd, rest, BigInt(rest.length), BigInt(at));
      this.#check(written, "pwrite");
      if (written === rest.length) return;
      rest = rest.subarray(written);
      at += written;
    }
  }

  truncate(size: number): void {
    this.#check(this.#calls.ftruncate(this.#fd, BigInt(size)), "ftruncate");
  }

  setOwner(uid: number, gid: number): void {
    checkOwner(uid, gid, this.#path);
    const result = this.#isPath
      ? this.#calls.fchownat(this.#fd, EMPTY, uid, gid, AT_EMPTY_PATH)
      : this.#calls.fchown(this.#fd, uid, gid);
    this.#check(result, "fchownat");
  }

  setMode(mode: number): void {
    const result = this.#isPath
      ? this.#calls.chmod(this.#proc(), mode)
      : this.#calls.fchmod(this.#fd, mode);
    this.#check(result, "fchmod");
  }

  setTimes(mtime: number, mtimeNs: number): void {
    // struct timespec[2], access and modification: seconds and nanoseconds of 64 bits each.
    const low = mtime >>> 0;
    const high = Math.floor(mtime / 0x1_0000_0000);
    TIMES[0] = TIMES[4] = low;
    TIMES[1] = TIMES[5] = high;
    TIMES[2] = TIMES[6] = mtimeNs;
    const result = this.#isPath
      ? this.#calls.utimensat(this.#fd, EMPTY, TIMES_BYTES, AT_EMPTY_PATH)
      : this.#calls.futimens(this.#fd, TIMES_BYTES);
    this.#check(result, "utimensat");
  }

  setXattr(name: string, value: Uint8Array): void {
    const key = encodeCString(name);
    // The pointer to an empty value may be null, which is valid with a length of 0.
    const bytes = value as Uint8Array<ArrayBuffer>;
    const result = this.#isPath
      ? this.#calls.setxattr(this.#proc(), key, bytes, BigInt(bytes.length), 0)
      : this.#calls.fsetxattr(this.#fd, key, bytes, BigInt(bytes.length), 0);
    this.#check(result, "setxattr");
  }

  getXattr(name: string): Uint8Array | undefined {
    const size = BigInt(XATTR.length);
    const length = this.#calls.getxattr(this.#proc(), encodeCString(name), XATTR, size);
    if (length < 0) {
      const errno = this.#libc.errno();
      // ENODATA, EOPNOTSUPP
      if (errno === 61 || errno === 95) return undefined;
      throw nativeError(errno, "getxattr", this.#path);
    }
    return XATTR.slice(0, length);
  }

  listXattrs(): readonly string[] {
    const length = this.#calls.listxattr(this.#proc(), XATTR, BigInt(XATTR.length));
    if (length === 0) return [];
    if (length < 0) {
      const errno = this.#libc.errno();
      if (errno === 95) return [];
      throw nativeError(errno, "listxattr", this.#path);
    }
    return decodeName(XATTR.slice(0, length)).split("\0").slice(0, -1);
  }

  removeXattr(name: string): void {
    this.#check(this.#calls.removexattr(this.#proc(), encodeCString(name)), "removexattr");
  }

  [Symbol.dispose](): void {
    this.#calls.close(this.#fd);
  }

  #proc(): Uint8Array<ArrayBuffer> {
    return this.#procName ??= encodeCString(`/proc/self/fd/${this.#fd}`);
  }

  #check(result: number, call: string): void {
    if (result < 0) throw nativeError(this.#libc.errno(), call, this.#path);
  }
}

/** Metadata of a newly created file. */
export interface NewFileStatus {
  readonly uid: number;
  readonly gid: number;
  readonly permissions: number;
}

/** A newly created file. Skips the system calls that would not change its owner or mode. */
export class NativeFile extends NativeEntry {
  /** Its metadata, until a change makes it uncertain. */
  #status: NewFileStatus | undefined;

  constructor(libc: NativeLibc, fd: number, path: string, status: NewFileStatus) {
    super(libc, fd, path, false);
    this.#status = status;
  }

  override setOwner(uid: number, gid: number): void {
    if (this.#status?.uid === uid && this.#status.gid === gid) return;
    this.#status = undefined;
    super.setOwner(uid, gid);
  }

  override setMode(mode: number): void {
    if (this.#status?.permissions === mode) return;
    this.#status = undefined;
    super.setMode(mode);
  }

  override setXattr(name: string, value: Uint8Array): void {
    // An access control list changes the permissions.
    this.#status = undefined;
    super.setXattr(name, value);
  }
}
