import { lstatIfAny } from "./durable.ts";
import { StoreError } from "../errors.ts";

/** Options for {@linkcode lockFile}. */
export interface LockFileOptions {
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
  /** Is called each time the lock is found to be held by somebody else. */
  readonly onBusy?: (() => void) | undefined;
  /** Is told, once, what is waited for, if that takes longer than a person would expect. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/** Between two attempts: a tenth of what a person notices, and next to no CPU. */
const MAX_PAUSE_MS = 50;
/** So long nobody wonders. */
const PATIENCE_MS = 1_000;

/**
 * Opens a file, creates it if need be, and holds its flock until the file is closed.
 *
 * The operating system drops the lock with the last descriptor, so an owner that is killed
 * leaves no stale lock behind. A blocking `lock()` could not be aborted and would occupy one
 * of the runtime's threads for each waiter, so the lock is tried again and again instead.
 *
 * An owner may rename or remove the file while others wait for it. Whoever gets the lock of a
 * file that no longer has the name starts over with the file that has it.
 *
 * @throws {StoreError} If there is something else than a file: what a link leads to is not ours
 * to write, and a pipe would never end.
 */
export async function lockFile(path: string, options: LockFileOptions = {}): Promise<Deno.FsFile> {
  const { signal, onBusy, onWait } = options;
  let patienceEnds = performance.now() + PATIENCE_MS;
  for (let pauseMs = 2;; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    signal?.throwIfAborted();
    const file = await tryLockFile(path);
    if (file !== undefined) return file;
    onBusy?.();
    if (performance.now() >= patienceEnds) {
      patienceEnds = Infinity;
      onWait?.(`Waiting for another process, which holds "${path}"`);
    }
    await pause(pauseMs, signal);
  }
}

/**
 * Does as {@linkcode lockFile} does unless somebody else holds the lock: then there is none to be
 * had now, and nothing is waited for.
 */
export async function tryLockFile(path: string): Promise<Deno.FsFile | undefined> {
  for (;;) {
    assertFile(path);
    const file = await Deno.open(path, { read: true, write: true, create: true });
    try {
      const isLocked = await file.tryLock(true);
      if (isLocked && await isNamed(file, path)) return file;
      file.close();
      if (!isLocked) return undefined;
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

function assertFile(path: string): void {
  if (lstatIfAny(path)?.isFile !== false) return;
  throw new StoreError(`Cannot write "${path}": it is not a regular file; remove it`, path);
}

/** Whether `path` still names the open file. Windows numbers no files; a name stays there. */
async function isNamed(file: Deno.FsFile, path: string): Promise<boolean> {
  const [held, named] = [await file.stat(), lstatIfAny(path)];
  return named !== undefined && held.ino === named.ino && held.dev === named.dev;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal?.reason);
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
