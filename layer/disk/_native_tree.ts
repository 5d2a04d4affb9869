import { decodeName, encodeName, MAX_PATH_BYTES } from "../file_name.ts";
import { nativeError } from "../linux/native_error.ts";
import type { NativeLibc } from "../linux/native_libc.ts";
import { childPath } from "../trees/clean_path.ts";
import type {
  FileStatus,
  FileTree,
  FileType,
  TreeEntry,
  TreeFile,
  TreeName,
  TreeReader,
} from "../trees/file_tree.ts";
import { FileFiller } from "./_file_filler.ts";
import { NativeEntry, type NewFileStatus } from "./_native_entry.ts";
import {
  makeDevice,
  type NativeName,
  readNames,
  readStatx,
  STATX_BASIC_STATS,
  STATX_BYTES,
  typeBits,
} from "./_native_status.ts";

const SYS_OPENAT2 = 437n;
const AT_FDCWD = -100;

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;
const O_RDONLY = 0;
const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_IN_ROOT = 0x10;
const ENOENT = 2;
const EACCES = 13;
const EEXIST = 17;
const ENOTDIR = 20;
const ENAMETOOLONG = 36;

/** Maximum number of open directories; the limit of a process is usually 1024. */
const MAX_OPEN_DIRECTORIES = 64;
const OPEN_HOW_BYTES = 24n;

/**
 * A tree that uses system calls. It opens directories with `openat2`, which resolves them inside
 * the root and follows no symlink, even if other processes change the tree. All other calls use a
 * single name in such a directory.
 */
export class NativeTree implements FileTree {
  readonly backend = "native";
  readonly root: string;
  readonly #libc: NativeLibc;
  readonly #calls: NativeLibc["symbols"];
  readonly #filler: FileFiller;
  readonly #rootFd: number;
  readonly #how: Uint8Array<ArrayBuffer>;
  /** Open directories, the least recently used first. */
  readonly #directories = new Map<string, number>();
  readonly #name = new Uint8Array(MAX_PATH_BYTES + 1);
  readonly #other = new Uint8Array(MAX_PATH_BYTES + 1);
  readonly #statx = new Uint8Array(STATX_BYTES);
  readonly #statxView = new DataView(this.#statx.buffer);
  readonly #encoder = new TextEncoder();
  #directory = "";
  #directoryFd: number;
  /** Owner of new files in `#directory`, and the permissions that they were granted. */
  #newFiles: NewFileStatus | undefined;

  /** Opens the root, which must be a directory. Takes ownership of `libc`. */
  constructor(root: string, libc: NativeLibc) {
    this.root = root;
    this.#libc = libc;
    this.#calls = libc.symbols;
    this.#filler = new FileFiller(libc);
    const how = new BigUint64Array(3);
    how[0] = BigInt(O_PATH | libc.abi.openDirectory | O_CLOEXEC);
    how[2] = BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
    this.#how = new Uint8Array(how.buffer);
    const flags = O_PATH | libc.abi.openDirectory | O_CLOEXEC;
    const path = this.#encode(this.#name, root);
    this.#rootFd = this.#check(this.#calls.openat(AT_FDCWD, path, flags, 0), "openat", "");
    this.#directoryFd = this.#rootFd;
    // Detect now, rather than at the first entry, whether the kernel or a filter rejects the call.
    const fd = this.#openDirectory(".");
    if (fd >= 0) {
      this.#calls.close(fd);
      return;
    }
    const errno = libc.errno();
    // The owner may lack the permission to search the root, but can grant it.
    if (errno === EACCES) return;
    this.#calls.close(this.#rootFd);
    throw nativeError(errno, "openat2", "");
  }

  status(path: string): FileStatus | undefined {
    this.#filler.settle(path);
    const fd = this.#tryLocate(path);
    if (fd < 0) return undefined;
    const flags = path === "" ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
    const { statx } = this.#libc.abi;
    const result = this.#calls.statx(statx, fd, this.#name, flags, STATX_BASIC_STATS, this.#statx);
    if (result < 0) {
      const errno = this.#libc.errno();
      if (errno === ENOENT) return undefined;
      throw nativeError(errno, "statx", path);
    }
    return readStatx(this.#statxView);
  }

  readLink(path: string): string {
    const fd = this.#locate(path);
    const length = this.#check(
      this.#calls.readlinkat(fd, this.#name, this.#other, BigInt(MAX_PATH_BYTES)),
      "readlinkat",
      path,
    );
    return decodeName(this.#other.slice(0, length));
  }

  list(path: string): readonly string[] {
    return this.#readDirectory(path).map(({ name }) => name);
  }

  entries(path: string): readonly TreeName[] {
    return this.#readDirectory(path).map(({ name, isDirectory }) => {
      const status = isDirectory === undefined ? this.status(childPath(path, name)) : undefined;
      return { name, isDirectory: isDirectory ?? status?.type === "directory" };
    });
  }

  #readDirectory(path: string): readonly NativeName[] {
    const fd = this.#openAt(path, O_RDONLY | this.#libc.abi.openDirectory);
    try {
      return readNames(this.#libc, fd, path);
    } finally {
      this.#calls.close(fd);
    }
  }

  openFile(path: string): TreeReader {
    this.#filler.settle(path);
    // Opening a FIFO or a device must not block.
    const fd = this.#openAt(path, O_RDONLY | O_NONBLOCK);
    const calls = this.#calls;
    return {
      read: (buffer) => {
        const bytes = buffer as Uint8Array<ArrayBuffer>;
        return this.#check(calls.read(fd, bytes, BigInt(bytes.length)), "read", path);
      },
      [Symbol.dispose]: () => void calls.close(fd),
    };
  }

  makeDirectory(path: string): boolean {
    const fd = this.#locate(path);
    return this.#made(this.#calls.mkdirat(fd, this.#name, 0o700), "mkdirat", path);
  }

  createFile(path: string, mode: number = 0o600): TreeFile | undefined {
    const directory = this.#locate(path);
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | this.#libc.abi.openNoFollow;
    // The owner must be able to write content and attributes.
    const permissions = (mode & 0o600) === 0o600 ? mode & 0o777 : 0o600;
    const fd = this.#calls.openat(directory, this.#name, flags, permissions);
    if (!this.#made(fd, "openat", path)) return undefined;
    try {
      return this.#filler.open(fd, path, this.#newFileStatus(fd, permissions, path));
    } catch (error) {
      this.#calls.close(fd);
      throw error;
    }
  }

  /**
   * Returns the metadata of a new file. The owner, and the permissions that the umask or a default
   * ACL removes, are the same for all files of a directory, so most files need no system call: this
   * saves two of six calls for a small file.
   */
  #newFileStatus(fd: number, permissions: number, path: string): NewFileStatus {
    const known = this.#newFiles;
    if (known !== undefined && (permissions & ~known.permissions) === 0) {
      return { uid: known.uid, gid: known.gid, permissions };
    }
    this.#name[0] = 0;
    const { statx } = this.#libc.abi;
    this.#check(
      this.#calls.statx(statx, fd, this.#name, AT_EMPTY_PATH, STATX_BASIC_STATS, this.#statx),
      "statx",
      path,
    );
    const { uid, gid, mode } = readStatx(this.#statxView);
    const granted = mode === permissions ? (known?.permissions ?? 0) | permissions : 0;
    this.#newFiles = { uid, gid, permissions: granted };
    return { uid, gid, permissions: mode };
  }

  makeSymlink(path: string, target: string): boolean {
    const fd = this.#locate(path);
    const result = this.#calls.symlinkat(this.#encode(this.#other, target), fd, this.#name);
    return this.#made(result, "symlinkat", path);
  }

  makeLink(path: string, target: string): void {
    this.#filler.settle(target);
    const [source, directory] = this.#locateBoth(target, path);
    const result = this.#calls.linkat(source, this.#other, directory, this.#name, 0);
    this.#check(result, "linkat", path);
  }

  rename(from: string, to: string): void {
    this.#filler.settle();
    const [source, directory] = this.#locateBoth(from, to);
    const result = this.#calls.renameat(source, this.#other, directory, this.#name);
    this.#check(result, "renameat", to);
    // The paths of open directories at or below the old path have changed.
    for (const path of [...this.#directories.keys()]) {
      if (path === from || path.startsWith(`${from}/`)) this.#forget(path);
    }
  }

  makeNode(path: string, type: FileType, devmajor: number, devminor: number): boolean {
    const fd = this.#locate(path);
    const mode = typeBits(type) | 0o600;
    const device = makeDevice(devmajor, devminor);
    const result = this.#calls.mknodat(this.#libc.abi.mknodat, fd, this.#name, mode, device);
    return this.#made(result, "mknodat", path);
  }

  open(path: string): TreeEntry {
    this.#filler.settle(path);
    // If it is a directory, changes to it may affect new files in it.
    this.#newFiles = undefined;
    return new NativeEntry(this.#libc, this.#openAt(path, O_PATH), path, true);
  }

  unlink(path: string): void {
    const fd = this.#locate(path);
    this.#check(this.#calls.unlinkat(fd, this.#name, 0), "unlinkat", path);
  }

  removeDirectory(path: string): void {
    this.#forget(path);
    const fd = this.#locate(path);
    this.#check(this.#calls.unlinkat(fd, this.#name, AT_REMOVEDIR), "unlinkat", path);
  }

  settle(): void {
    this.#filler.settle();
  }

  [Symbol.dispose](): void {
    try {
      this.#filler[Symbol.dispose]();
    } finally {
      for (const fd of this.#directories.values()) this.#calls.close(fd);
      this.#directories.clear();
      this.#calls.close(this.#rootFd);
      this.#libc[Symbol.dispose]();
    }
  }

  /** Opens the last component of a path without following it. */
  #openAt(path: string, flags: number): number {
    const directory = this.#locate(path);
    let how = flags | O_CLOEXEC;
    // "." requires the permission to search it, which its owner may lack.
    if (path === "") this.#encode(this.#name, `/proc/self/fd/${this.#rootFd}`);
    else how |= this.#libc.abi.openNoFollow;
    return this.#check(this.#calls.openat(directory, this.#name, how, 0), "openat", path);
  }

  /** Returns the descriptor of the parent, and writes the last component to `#name`. */
  #locate(path: string): number {
    const fd = this.#tryLocate(path);
    if (fd < 0) throw this.#failure("openat2", path);
    return fd;
  }

  /** Like `#locate` for two paths; writes the last component of the first one to `#other`. */
  #locateBoth(first: string, second: string): readonly [number, number] {
    const parent = this.#locate(first);
    this.#other.set(this.#name);
    // The first descriptor is the most recently used one, so this does not close it.
    return [parent, this.#locate(second)];
  }

  /** Like `#locate`, but returns a negative number if a parent is missing. */
  #tryLocate(path: string): number {
    const slash = path.lastIndexOf("/");
    const directory = slash < 0 ? "" : path.slice(0, slash);
    if (directory !== this.#directory) {
      const fd = this.#enter(directory);
      if (fd < 0) {
        const errno = this.#libc.errno();
        if (errno === ENOENT || errno === ENOTDIR) return fd;
        throw nativeError(errno, "openat2", path);
      }
      this.#directory = directory;
      this.#directoryFd = fd;
      this.#newFiles = undefined;
    }
    this.#encode(this.#name, slash < 0 ? path : path.slice(slash + 1));
    return this.#directoryFd;
  }

  #enter(directory: string): number {
    if (directory === "") return this.#rootFd;
    const known = this.#directories.get(directory);
    if (known !== undefined) {
      this.#directories.delete(directory);
      this.#directories.set(directory, known);
      return known;
    }
    const fd = this.#openDirectory(directory);
    if (fd < 0) return fd;
    this.#directories.set(directory, fd);
    if (this.#directories.size > MAX_OPEN_DIRECTORIES) {
      const [oldest] = this.#directories.keys();
      this.#forget(oldest as string);
    }
    return fd;
  }

  /** Opens a directory relative to its parent if that is open: resolving a long path is slow. */
  #openDirectory(directory: string): number {
    const slash = directory.lastIndexOf("/");
    const parent = slash < 0 ? undefined : this.#directories.get(directory.slice(0, slash));
    const name = parent === undefined ? directory : directory.slice(slash + 1);
    const path = this.#encode(this.#name, name);
    const from = parent ?? this.#rootFd;
    return this.#calls.openat2(SYS_OPENAT2, from, path, this.#how, OPEN_HOW_BYTES);
  }

  #forget(directory: string): void {
    const fd = this.#directories.get(directory);
    if (fd === undefined) return;
    if (directory === this.#directory) {
      this.#directory = "";
      this.#directoryFd = this.#rootFd;
      this.#newFiles = undefined;
    }
    this.#directories.delete(directory);
    this.#calls.close(fd);
  }

  /** Encodes text as a C string. */
  #encode(buffer: Uint8Array<ArrayBuffer>, text: string): Uint8Array<ArrayBuffer> {
    if (text.isWellFormed()) {
      const { read, written } = this.#encoder.encodeInto(text, buffer);
      if (read < text.length || written > MAX_PATH_BYTES) {
        throw nativeError(ENAMETOOLONG, "encode", text);
      }
      buffer[written] = 0;
      return buffer;
    }
    const bytes = encodeName(text);
    if (bytes.length > MAX_PATH_BYTES) throw nativeError(ENAMETOOLONG, "encode", text);
    buffer.set(bytes);
    buffer[bytes.length] = 0;
    return buffer;
  }

  #made(result: number, call: string, path: string): boolean {
    if (result >= 0) return true;
    const errno = this.#libc.errno();
    if (errno === EEXIST) return false;
    throw nativeError(errno, call, path);
  }

  #check(result: number, call: string, path: string): number {
    if (result < 0) throw this.#failure(call, path);
    return result;
  }

  #failure(call: string, path: string): Error {
    return nativeError(this.#libc.errno(), call, path);
  }
}
