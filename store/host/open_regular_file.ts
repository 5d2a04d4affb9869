import { errorCode } from "../../spec/error_facts.ts";
import { dirname } from "../../spec/paths.ts";
import { type FileFault, StoreFileError } from "../errors.ts";
import { lstatIfAny, mayRead, statIfAny } from "./files.ts";
import { isTrustedOwner, isWritableByOthers } from "./owners.ts";

/** Options for {@linkcode openRegularFile}. */
export interface OpenRegularFileOptions {
  /**
   * Whether the file is in a directory that is only read, such as another user's image layout. Its
   * owner, permissions and number of names do not matter there.
   *
   * @default {false}
   */
  readonly foreign?: boolean | undefined;
  /**
   * What to do about a file that is refused, as a sentence.
   *
   * @default {"Remove it and try again"}
   */
  readonly advice?: string | undefined;
}

/** A file that is open for reading: a part of `Deno.FsFile`. */
export interface ReadableFile extends Pick<Deno.FsFile, "read" | "readSync" | "close"> {
  /** Moves to an offset from the start. */
  seek(offset: number, whence: Deno.SeekMode.Start): Promise<number>;
}

/** A regular file that is open for reading. */
export interface RegularFile extends Disposable {
  /** The open file. */
  readonly file: ReadableFile;
  /** Its status, read after it was opened. */
  readonly info: Deno.FileInfo;
}

const ADVICE = "Remove it and try again";

/** Maximum number of attempts if the file is replaced while it is opened. */
const MAX_ATTEMPTS = 100;

/**
 * Opens a file for reading that an image, another user or an earlier process may have made. Opens
 * regular files only, never follows a symlink in the last component of the path, and never waits
 * for the other end of a pipe.
 *
 * @returns The file, or `undefined` if there is none.
 * @throws {StoreFileError} If it is not a regular file; or if it belongs to another user, others
 * can write to it, or it has several names, and it is not `foreign`.
 */
export function openRegularFile(
  path: string,
  options: OpenRegularFileOptions = {},
): RegularFile | undefined {
  return openChecked(path, options, options.foreign ? openForeign : openOwn);
}

/**
 * Opens a file of the store as {@linkcode openRegularFile} does, for all operations.
 *
 * @returns The file, or `undefined` if there is none.
 * @throws {StoreFileError} As {@linkcode openRegularFile} does.
 */
export function openOwnFile(
  path: string,
): RegularFile & { readonly file: Deno.FsFile } | undefined {
  return openChecked(path, {}, openOwn);
}

/** An open file and its status. */
interface Opened<T> {
  readonly file: T;
  readonly info: Deno.FileInfo;
}

function openChecked<T extends ReadableFile>(
  path: string,
  options: OpenRegularFileOptions,
  open: (path: string, named: Deno.FileInfo) => Opened<T>,
): RegularFile & Opened<T> | undefined {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    // Opening would follow a symlink, and wait for a writer of a FIFO. Deno has no O_NOFOLLOW.
    const named = lstatIfAny(path);
    if (named === undefined) return undefined;
    refuse(path, named, options);
    const opened = ifAny(() => open(path, named));
    if (opened === null) continue;
    using stack = new DisposableStack();
    const { file, info } = opened;
    stack.defer(() => file.close());
    // Another process has just replaced it, as is done with index.json.
    if (info.ino !== named.ino || info.dev !== named.dev) continue;
    refuse(path, info, options);
    stack.move();
    return { file, info, [Symbol.dispose]: () => file.close() };
  }
  throw new StoreFileError("changing", path, "read", "Try again later");
}

/** Opens a file that other users cannot replace with a FIFO. */
function openOwn(path: string): Opened<Deno.FsFile> {
  using stack = new DisposableStack();
  const file = stack.use(Deno.openSync(path));
  const info = file.statSync();
  stack.move();
  return { file, info };
}

function openForeign(path: string, named: Deno.FileInfo): Opened<ReadableFile> {
  if (!isReplaceable(path, named)) return openOwn(path);
  const { file, status } = openNonblocking(path);
  return { file, info: { ...named, ...status } };
}

/** Throws if a file may not be read. */
function refuse(path: string, info: Deno.FileInfo, options: OpenRegularFileOptions): void {
  const fault = fileFault(info, options);
  if (fault === undefined) return;
  const owner = fault === "owner" ? info.uid ?? undefined : undefined;
  throw new StoreFileError(fault, path, "read", options.advice ?? ADVICE, { owner });
}

/** Returns the reason for rejecting a file; `undefined` if it may be read. */
export function fileFault(
  info: Deno.FileInfo,
  { foreign = false }: OpenRegularFileOptions = {},
): FileFault | undefined {
  if (info.isSymlink) return "symlink";
  if (info.isDirectory) return "directory";
  if (!info.isFile) return "special";
  if (foreign) return undefined;
  if (!isTrustedOwner(info.uid)) return "owner";
  if (isWritableByOthers(info)) return "writable";
  return (info.nlink ?? 1) > 1 ? "hard-link" : undefined;
}

/** Returns `null` if there is no such file. */
function ifAny<T>(open: () => T): T | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** Levels of a layout above a blob: the algorithm, `blobs`, and the layout itself. */
const LEVELS = 3;
/** Set in the mode of directories in which users can remove or rename only their own files. */
const STICKY = 0o1000;

/**
 * Whether another user can replace a file between two system calls. That takes write access to one
 * of its directories, up to that of the layout or store.
 */
function isReplaceable(path: string, info: Deno.FileInfo): boolean {
  if (Deno.build.os === "windows") return false;
  let child = info;
  let directory = dirname(path);
  for (let level = 0; level < LEVELS; level++) {
    const parent = statIfAllowed(directory);
    if (parent === undefined) break;
    const isSticky = ((parent.mode ?? 0) & STICKY) !== 0;
    if (!isTrustedOwner(parent.uid)) return true;
    if (isWritableByOthers(parent) && !(isSticky && isTrustedOwner(child.uid))) return true;
    const next = dirname(directory);
    if (next === directory) break;
    [child, directory] = [parent, next];
  }
  return false;
}

/** Returns the status of a directory; `undefined` if it may not be read, such as above a layout. */
function statIfAllowed(path: string): Deno.FileInfo | undefined {
  return mayRead(path) ? statIfAny(path) : undefined;
}

/** A file that was opened without waiting. */
interface NonblockingFile {
  readonly file: ReadableFile;
  /** Status of the open file, as Node returns it. */
  readonly status: Pick<Deno.FileInfo, "dev" | "ino" | "mode" | "uid" | "gid" | "nlink" | "size">;
}

/**
 * Opens a file for reading without waiting for a writer, which opening a FIFO does otherwise. Only
 * Node's API passes `O_NONBLOCK` on. It takes some milliseconds to load.
 */
function openNonblocking(path: string): NonblockingFile {
  const fs = globalThis.process.getBuiltinModule("node:fs");
  const { O_RDONLY, O_NONBLOCK } = fs.constants;
  const fd = fs.openSync(path, O_RDONLY | O_NONBLOCK);
  let at = 0;
  const advance = (count: number) => {
    at += count;
    return count === 0 ? null : count;
  };
  const file: ReadableFile = {
    readSync: (bytes) => advance(fs.readSync(fd, bytes, 0, bytes.length, at)),
    async read(bytes) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      fs.read(fd, bytes, 0, bytes.length, at, (error, count) => {
        if (error) reject(error);
        else resolve(count);
      });
      return advance(await promise);
    },
    seek(offset) {
      at = Number(offset);
      return Promise.resolve(at);
    },
    close: () => fs.closeSync(fd),
  };
  return { file, status: fs.fstatSync(fd) };
}
