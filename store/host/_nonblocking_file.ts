import { dirname } from "../../spec/paths.ts";
import { isTrustedOwner, isWritableByOthers } from "./owners.ts";

/** A file that is open for reading: a part of `Deno.FsFile`. */
export interface ReadableFile extends Pick<Deno.FsFile, "read" | "readSync" | "close"> {
  /** Moves to an offset from the start. */
  seek(offset: number, whence: Deno.SeekMode.Start): Promise<number>;
}

/** Levels of a layout above a blob: the algorithm, `blobs`, and the layout itself. */
const LEVELS = 3;
/** Set in the mode of directories in which users can remove or rename only their own files. */
const STICKY = 0o1000;

/**
 * Whether another user can replace a file between two system calls. That takes write access to one of
 * its directories, up to that of the layout or store.
 *
 * @param path Path of the file.
 * @param info Its status.
 */
export function isReplaceable(path: string, info: Deno.FileInfo): boolean {
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
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return undefined;
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A file that was opened without waiting. */
export interface NonblockingFile {
  readonly file: ReadableFile;
  /** Status of the open file, as Node gives it. */
  readonly status: Pick<Deno.FileInfo, "dev" | "ino" | "mode" | "uid" | "gid" | "nlink" | "size">;
}

/**
 * Opens a file for reading without waiting for a writer, which opening a FIFO does otherwise. Only
 * Node's API passes `O_NONBLOCK` on. It takes some milliseconds to load.
 */
export function openNonblocking(path: string): NonblockingFile {
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
