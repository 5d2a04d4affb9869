import { abortable } from "../../registry/tasks/abortable.ts";
import { isDiskFull } from "../../spec/error_facts.ts";
import { LockUnsupportedError } from "../errors.ts";
import { FILE_MODE, lstatIfAny, removeIfAny } from "./files.ts";
import { fileFault, StoreFileError } from "./open_regular_file.ts";
import { isRefusedWrite } from "./system_error.ts";

/** Options for waiting for another process. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once with the reason if the wait takes longer than a second. */
  readonly onWait?: ((message: string) => void) | undefined;
}

export interface LockFileOptions extends WaitOptions {
  /**
   * Whether other shared holders are allowed.
   *
   * @default {false}
   */
  readonly shared?: boolean | undefined;
  /** Called after each attempt that finds the lock held by another process. */
  readonly onBusy?: (() => void) | undefined;
}

/** Maximum pause between attempts: too short to notice, but long enough to use little CPU time. */
const MAX_PAUSE_MS = 50;
/** Time after which a message reports the wait. */
const PATIENCE_MS = 1_000;

/**
 * Opens a file, creating it if necessary, and holds an flock on it until the file is closed.
 *
 * The operating system drops the lock with the last descriptor, so an owner that is killed leaves
 * no stale lock behind. A blocking `lock()` could not be aborted and would occupy one of the
 * runtime's threads for each waiter, so the lock is polled instead.
 *
 * The owner may rename or remove the file while others wait for it. A process that obtains the lock
 * of a file that has lost its name starts over with the file that has the name now.
 *
 * @throws {LockUnsupportedError} If the file system, such as some network file systems, lacks flock.
 * @throws {StoreFileError} If the path is not a regular file: the target of a link may belong to
 * another user, and opening a pipe may never return.
 */
export async function lockFile(path: string, options: LockFileOptions = {}): Promise<Deno.FsFile> {
  const { signal, onBusy, onWait, shared } = options;
  let noticeTime = performance.now() + PATIENCE_MS;
  for (let pauseMs = 2;; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    signal?.throwIfAborted();
    const file = await tryLockFile(path, shared);
    if (file !== undefined) return file;
    onBusy?.();
    if (performance.now() >= noticeTime) {
      noticeTime = Infinity;
      onWait?.(`Waiting for another process, which holds "${path}"`);
    }
    await pause(pauseMs, signal);
  }
}

/** Maximum number of attempts if the file is replaced between two system calls. */
const MAX_ATTEMPTS = 100;

/**
 * Locks a file as {@linkcode lockFile} does, but returns `undefined` at once if the lock is held.
 */
export async function tryLockFile(
  path: string,
  shared: boolean = false,
): Promise<Deno.FsFile | undefined> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    using stack = new DisposableStack();
    const file = stack.use(openOrCreate(path));
    if (file === null) continue;
    if (!await tryFlock(file, path, shared)) return undefined;
    const held = file.statSync();
    if (!isNamed(held, path)) continue;
    if (fileFault(held) === undefined) {
      stack.move();
      return file;
    }
    // The file has a hard link, or another user can change its content. No other process holds its
    // lock, so a new file can take its name.
    if (shared && !await tryFlock(file, path)) return undefined;
    removeIfAny(path);
  }
  throw new StoreFileError("changing", path, "write", "Try again later");
}

/**
 * Tries to lock an open file.
 *
 * @param path Its path, for the error.
 * @param shared Whether other processes may hold a shared lock at the same time.
 * @returns Whether it is locked now.
 * @throws {LockUnsupportedError} If its file system has no flock.
 */
export async function tryFlock(
  file: Deno.FsFile,
  path: string,
  shared: boolean = false,
): Promise<boolean> {
  try {
    // This never blocks, and an asynchronous call would take longer.
    return file.tryLockSync(!shared);
  } catch (cause) {
    throw new LockUnsupportedError(path, await fileSystemOf(path), { cause });
  }
}

/**
 * Runs a task that acquires a lock. Returns `undefined` if nothing can be written or locked:
 * reading must still work then.
 */
export async function unlessUnwritable<T>(task: () => Promise<T>): Promise<T | undefined> {
  try {
    return await task();
  } catch (error) {
    const isUnwritable = isRefusedWrite(error) || isDiskFull(error) ||
      error instanceof LockUnsupportedError;
    if (isUnwritable) return undefined;
    throw error;
  }
}

/** Returns the type of a file's file system, such as `nfs4`, if it can be determined. */
async function fileSystemOf(path: string): Promise<string | undefined> {
  try {
    const { mountOf } = await import("../../layer/linux/mount_table.ts");
    return mountOf(await Deno.realPath(path))?.type;
  } catch {
    // Not Linux, or no permission to read the mount table.
    return undefined;
  }
}

/** Opens or creates a file; `null` if another process has just created or removed it. */
function openOrCreate(path: string): Deno.FsFile | null {
  const info = lstatIfAny(path);
  const fault = info && fileFault(info, { foreign: true });
  if (fault !== undefined) throw new StoreFileError(fault, path, "write", "Remove it");
  const options = { read: true, write: true };
  try {
    // Exclusive creation follows no symlink, unlike O_CREAT alone.
    return Deno.openSync(
      path,
      info === undefined ? { ...options, createNew: true, mode: FILE_MODE } : options,
    );
  } catch (error) {
    const isCreated = error instanceof Deno.errors.AlreadyExists;
    if (isCreated || info !== undefined && error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Whether `path` still names the open file. On Windows, Deno returns no inode numbers, but an open
 * file cannot lose its name.
 */
function isNamed(held: Deno.FileInfo, path: string): boolean {
  const named = lstatIfAny(path);
  return named !== undefined && held.ino === named.ino && held.dev === named.dev;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}
