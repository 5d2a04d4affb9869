import { errorCode, withCode } from "../../spec/error_facts.ts";
import { isGranted } from "../../spec/granted.ts";
import type {
  FileStatus,
  FileTree,
  FileType,
  TreeEntry,
  TreeFile,
  TreeName,
  TreeReader,
} from "../trees/file_tree.ts";
import { checkOwner } from "../trees/owner_ids.ts";

/**
 * A tree that uses Deno's API. It relies on the caller to check each parent, and on other processes
 * not to change the tree. It creates devices with the program `mknod` if it may run it, supports
 * neither extended attributes nor names that are not UTF-8, and keeps times to the millisecond
 * (before 1970, to the second, except for files).
 */
export class PureTree implements FileTree {
  readonly backend = "pure";
  readonly root: string;

  /** Opens the root, which must be a directory. */
  constructor(root: string) {
    this.root = root;
    if (!Deno.statSync(root).isDirectory) {
      throw new Deno.errors.NotADirectory(`Not a directory: open "${root}"`);
    }
  }

  status(path: string): FileStatus | undefined {
    try {
      const status = path === "" ? Deno.statSync(this.root) : Deno.lstatSync(this.#at(path));
      return fileStatus(status);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw error;
    }
  }

  readLink(path: string): string {
    return Deno.readLinkSync(this.#at(path));
  }

  list(path: string): readonly string[] {
    return this.entries(path).map(({ name }) => name);
  }

  entries(path: string): readonly TreeName[] {
    return [...Deno.readDirSync(this.#at(path))];
  }

  openFile(path: string): TreeReader {
    const file = Deno.openSync(this.#at(path));
    return {
      read: (buffer) => file.readSync(buffer) ?? 0,
      [Symbol.dispose]: () => file.close(),
    };
  }

  makeDirectory(path: string): boolean {
    return tryCreate(() => Deno.mkdirSync(this.#at(path), { mode: 0o700 }));
  }

  createFile(path: string): TreeFile | undefined {
    const name = this.#at(path);
    let file: Deno.FsFile | undefined;
    const isMade = tryCreate(() => {
      // O_EXCL: does not follow a symlink.
      file = Deno.openSync(name, { write: true, createNew: true, mode: 0o600 });
    });
    return isMade && file !== undefined ? new PureFile(name, file) : undefined;
  }

  makeSymlink(path: string, target: string): boolean {
    refuseBytes(target);
    return tryCreate(() => Deno.symlinkSync(target, this.#at(path)));
  }

  makeLink(path: string, target: string): void {
    // On some systems, Deno.linkSync follows a symlink at the target; link(2) does not.
    nodeFileSystem().linkSync(this.#at(target), this.#at(path));
  }

  rename(from: string, to: string): void {
    Deno.renameSync(this.#at(from), this.#at(to));
  }

  makeNode(path: string, type: FileType, devmajor: number, devminor: number): boolean {
    if (this.status(path) !== undefined) return false;
    const letter = NODE_LETTER[type];
    if (letter === undefined || !isGranted({ name: "run", command: "mknod" })) {
      throw notSupported(`Cannot create a ${type}: it requires --allow-ffi or --allow-run=mknod`);
    }
    const numbers = type === "fifo" ? [] : [String(devmajor), String(devminor)];
    runMknod(["-m", "600", "--", this.#at(path), letter, ...numbers]);
    return true;
  }

  open(path: string): TreeEntry {
    return new PureEntry(this.#at(path));
  }

  unlink(path: string): void {
    Deno.removeSync(this.#at(path));
  }

  removeDirectory(path: string): void {
    Deno.removeSync(this.#at(path));
  }

  settle(): void {
    // Files are complete when they are disposed of.
  }

  [Symbol.dispose](): void {
    // There is nothing to close.
  }

  #at(path: string): string {
    refuseBytes(path);
    return path === "" ? this.root : `${this.root}/${path}`;
  }
}

/** An entry identified by its path. */
class PureEntry implements TreeEntry {
  protected readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  setOwner(uid: number, gid: number): void {
    checkOwner(uid, gid, this.path);
    nodeFileSystem().lchownSync(this.path, uid, gid);
  }

  setMode(mode: number): void {
    // chmod(2) follows symlinks.
    if (Deno.lstatSync(this.path).isSymlink) throw notSupported("Symbolic links have no mode");
    Deno.chmodSync(this.path, mode);
  }

  setTimes(mtime: number, mtimeNs: number): void {
    // Deno 2.9 cannot set fractions of seconds before 1970.
    const time = toDate(mtime, mtime < 0 ? 0 : mtimeNs);
    nodeFileSystem().lutimesSync(this.path, time, time);
  }

  setXattr(name: string): void {
    throw notSupported(`Cannot set extended attribute "${name}": it requires --allow-ffi`);
  }

  getXattr(): undefined {
    return undefined;
  }

  listXattrs(): readonly string[] {
    return [];
  }

  removeXattr(): void {
    // Attributes are not visible to Deno's API.
  }

  [Symbol.dispose](): void {
    // There is nothing to close.
  }
}

class PureFile extends PureEntry implements TreeFile {
  readonly #file: Deno.FsFile;
  #position = 0;

  constructor(path: string, file: Deno.FsFile) {
    super(path);
    this.#file = file;
  }

  write(bytes: Uint8Array, position: number): void {
    if (position !== this.#position) this.#file.seekSync(position, Deno.SeekMode.Start);
    let written = 0;
    while (written < bytes.length) written += this.#file.writeSync(bytes.subarray(written));
    this.#position = position + written;
  }

  truncate(size: number): void {
    this.#file.truncateSync(size);
  }

  override setTimes(mtime: number, mtimeNs: number): void {
    const time = toDate(mtime, mtimeNs);
    this.#file.utimeSync(time, time);
  }

  override [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Returns functions that Deno's API lacks. They are loaded on first use, because that is slow. */
function nodeFileSystem(): typeof import("node:fs") {
  return globalThis.process.getBuiltinModule("node:fs");
}

/** Letters of node types for `mknod`. */
const NODE_LETTER: Readonly<Partial<Record<FileType, string>>> = {
  "character-device": "c",
  "block-device": "b",
  "fifo": "p",
};

/** Runs a program in place of a system call that Deno lacks. */
function runMknod(args: string[]): void {
  let result: Deno.CommandOutput;
  try {
    // The working directory may be closed to this user, as after "sudo -u". All paths are absolute.
    result = new Deno.Command("mknod", { args, cwd: "/", env: { LC_ALL: "C" } }).outputSync();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw notSupported('The program "mknod" is not installed; --allow-ffi makes it unnecessary');
  }
  if (result.success) return;
  const output = new TextDecoder().decode(result.stderr).trim();
  // It begins with the name of the program and the path.
  const reason = output.slice(output.lastIndexOf(": ") + 1).trim();
  throw withCode(new Deno.errors.PermissionDenied(`"mknod" failed: ${reason}`), "EPERM");
}

function tryCreate(make: () => void): boolean {
  try {
    make();
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Range of a `Date` around 1970, in seconds. */
const MAX_DATE = 8_640_000_000_000;

/** Converts a time to a `Date`: Deno sometimes loses a millisecond of a time given as a number. */
function toDate(mtime: number, mtimeNs: number): Date {
  if (Math.abs(mtime) >= MAX_DATE) return new Date(Math.sign(mtime) * MAX_DATE * 1000);
  return new Date(mtime * 1000 + Math.floor(mtimeNs / 1e6));
}

function fileStatus(status: Deno.FileInfo): FileStatus {
  const time = status.mtime?.getTime() ?? 0;
  const seconds = Math.floor(time / 1000);
  const rdev = status.rdev ?? 0;
  return {
    type: typeOf(status),
    mode: (status.mode ?? 0) & 0o7777,
    uid: status.uid ?? 0,
    gid: status.gid ?? 0,
    size: status.size,
    nlink: status.nlink ?? 1,
    mtime: seconds,
    mtimeNs: (time - seconds * 1000) * 1e6,
    dev: status.dev,
    ino: status.ino ?? 0,
    // The encoding is that of Linux; devices are not compared on other systems.
    devmajor: (rdev >>> 8) & 0xfff,
    devminor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00),
  };
}

function typeOf(status: Deno.FileInfo): FileType {
  if (status.isFile) return "file";
  if (status.isDirectory) return "directory";
  if (status.isSymlink) return "symlink";
  if (status.isFifo) return "fifo";
  if (status.isCharDevice) return "character-device";
  return status.isBlockDevice ? "block-device" : "socket";
}

/** Rejects names that are not UTF-8, which Deno would change to U+FFFD. */
function refuseBytes(name: string): void {
  if (name.isWellFormed()) return;
  throw notSupported("The name is not UTF-8, which requires --allow-ffi");
}

function notSupported(message: string): Error {
  return withCode(new Deno.errors.NotSupported(message), "EOPNOTSUPP");
}
