import { errorCode, isDiskFull, unlessThrown } from "../../spec/error_facts.ts";
import { dirname, resolve } from "../../spec/paths.ts";
import { isAbsent, outputError } from "./system_error.ts";

/** Mode of the files in a store: even without a umask, only their owner may write to them. */
export const FILE_MODE = 0o644;

export interface ReplaceFileOptions {
  /**
   * Mode of the file.
   *
   * @default {0o644}
   */
  readonly mode?: number | undefined;
  /**
   * Whether the file must survive a power failure.
   *
   * @default {true}
   */
  readonly isDurable?: boolean | undefined;
}

/**
 * Replaces a file atomically and durably: a temporary file beside it, fsync, rename, fsync of the
 * directory.
 *
 * The temporary file has one name per target, so that the next writer removes the leftover of a
 * killed one: callers hold a lock that excludes other writers. It is always a new file, because a
 * symlink of that name could lead anywhere.
 *
 * @throws {OciError} If the disk is full. Nothing has changed then.
 */
export async function replaceFile(
  directory: string,
  name: string,
  bytes: Uint8Array,
  { mode = FILE_MODE, isDurable = true }: ReplaceFileOptions = {},
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`;
  removeIfAny(temporary);
  try {
    using file = createFile(temporary, mode);
    writeAllSync(file, bytes);
    if (isDurable) await file.sync();
  } catch (error) {
    if (isDiskFull(error)) removeIfAny(temporary);
    throw withPath(`${directory}/${name}`, error);
  }
  rename(temporary, `${directory}/${name}`);
  if (isDurable) await syncDirectory(directory);
}

// Synchronous, because waiting for another thread would take longer than the call itself.
function createFile(path: string, mode: number): Deno.FsFile {
  return Deno.openSync(path, { write: true, createNew: true, mode });
}

function rename(from: string, to: string): void {
  Deno.renameSync(from, to);
}

/** Names the file if the disk is full: the system's error for a write has no path. */
export function withPath(path: string, error: unknown): unknown {
  return error instanceof Error && isDiskFull(error) ? outputError(path, error) : error;
}

/**
 * Returns the age of a file in milliseconds. If the clock has been set back and its time is in the
 * future, the age is the distance to it. Otherwise the file would count as new until then.
 */
export function fileAge(time: Date | null | undefined): number {
  return Math.abs(Date.now() - (time?.getTime() ?? 0));
}

/** Longest time in milliseconds for which the times of a file may stay the same despite changes. */
const TICK_MS = 20;
/** The same for a file system that rounds times to seconds. */
const ROUNDED_MS = 2_500;

/** Returns text that changes with a file; `undefined` if the file may change while the text stays. */
export function fileStamp(path: string): string | undefined {
  const info = lstatIfAny(path);
  const { dev, ino, size, mtime, ctime } = info ?? {};
  if (!mtime || !ctime || !ino) return undefined;
  const isSettled = [mtime, ctime].every((time) => {
    return fileAge(time) >= (time.getMilliseconds() === 0 ? ROUNDED_MS : TICK_MS);
  });
  if (!isSettled) return undefined;
  return JSON.stringify([dev, ino, size, mtime.getTime(), ctime.getTime()]);
}

/** Writes all bytes, and returns their number. */
export async function writeAll(
  file: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<number> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  return bytes.length;
}

/**
 * Writes all bytes.
 *
 * @param path Path of the file, for the error if the disk is full.
 */
export function writeAllSync(file: Deno.FsFile, bytes: Uint8Array, path?: string): void {
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  } catch (error) {
    throw path === undefined ? error : withPath(path, error);
  }
}

/**
 * Replaces a small file, neither atomically nor durably. Use it for hints, and for content that
 * readers verify. The file is always new, because a symlink of its name could lead anywhere.
 */
export async function replaceSmallFile(path: string, text: string): Promise<void> {
  const options = { createNew: true, mode: FILE_MODE };
  try {
    await Deno.writeTextFile(path, text, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw withPath(path, error);
    removeIfAny(path);
    await Deno.writeTextFile(path, text, options).catch((again) => {
      throw withPath(path, again);
    });
  }
}

/**
 * Replaces a file atomically but not durably. Several processes may do so at the same time. If it
 * fails, nothing is left behind.
 *
 * @param parts The content, in order.
 */
export function swapFile(
  path: string,
  parts: Iterable<Uint8Array>,
  { mode = FILE_MODE }: Pick<ReplaceFileOptions, "mode"> = {},
): void {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    // `Deno.writeFileSync` copies the bytes, which takes longer than writing them.
    {
      using file = Deno.openSync(temporary, { write: true, createNew: true, mode });
      for (const part of parts) writeAllSync(file, part);
    }
    Deno.renameSync(temporary, path);
  } catch (error) {
    tryRemove(temporary);
    throw withPath(path, error);
  }
}

/** Fsyncs a directory, if the system supports that, so that changes to its names are durable. */
export async function syncDirectory(path: string): Promise<void> {
  // Deno cannot open directories on Windows, where NTFS journals names.
  if (Deno.build.os === "windows") return;
  try {
    using directory = await Deno.open(`${path}/.`);
    await directory.sync();
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  }
}

/** Whether a file system, such as some network and FUSE file systems, cannot sync directories. */
function isUnsupported(error: unknown): boolean {
  const code = errorCode(error);
  return code === "EINVAL" || code === "ENOTSUP" || code === "EOPNOTSUPP" || code === "ENOSYS";
}

// The following functions are synchronous: a pull makes hundreds of these calls, and each
// asynchronous one would wait for another thread.

/** Returns the result of a call; `undefined` if it fails because a file does not exist. */
export function ifAny<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Returns the result of a call; `undefined` if Deno does not permit it. */
export function ifPermitted<T>(call: () => T): T | undefined {
  return unlessThrown(call, Deno.errors.NotCapable);
}

/** Returns the status of a path without following a symlink; `undefined` if it does not exist. */
export function lstatIfAny(path: string): Deno.FileInfo | undefined {
  return ifAny(() => Deno.lstatSync(path));
}

/** Returns the status of the target of a path; `undefined` if it does not exist. */
export function statIfAny(path: string): Deno.FileInfo | undefined {
  return ifAny(() => Deno.statSync(path));
}

/** Lists the names in a directory; none if it does not exist. */
export function namesIn(directory: string): readonly string[] {
  return ifAny(() => Array.from(Deno.readDirSync(directory), ({ name }) => name)) ?? [];
}

/** Removes a file if it exists. */
export function removeIfAny(path: string): void {
  ifAny(() => Deno.removeSync(path));
}

/** Removes a file or an empty directory if that is possible. For what nothing depends on. */
export function tryRemove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It does not exist, is not empty, or the directory is not writable.
  }
}

/** Returns the directories of a path that do not exist, the innermost first. */
export function missingDirectories(path: string): readonly string[] {
  const missing: string[] = [];
  for (let at = resolve(path); lstatIfAny(at) === undefined; at = dirname(at)) missing.push(at);
  return missing;
}

/** Removes directories that are empty, in the given order: the innermost first. */
export function removeEmptyDirectories(directories: readonly string[]): void {
  for (const directory of directories) tryRemove(directory);
}

/** Creates directories, which must not exist yet. Only their owner may write to them. */
export function makeDirectories(...paths: readonly string[]): void {
  for (const path of paths) Deno.mkdirSync(path, { mode: 0o755 });
}
