import { unlessRejected } from "../../spec/error_facts.ts";
import { LockUnsupportedError } from "../errors.ts";
import { tryFlock } from "./file_lock.ts";
import { lstatIfAny, namesIn, removeIfAny } from "./files.ts";
import { StoreFileError } from "./open_regular_file.ts";

export interface TemporaryFileOptions {
  /** Directory, which must exist. */
  readonly directory: string;
  /** Start of the name, which identifies the program and the purpose. */
  readonly prefix: string;
  /** End of the name. */
  readonly suffix?: string | undefined;
  /**
   * Permissions.
   *
   * By default, `0o666` minus the umask.
   */
  readonly mode?: number | undefined;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * A new file that does not have its final name yet. Disposing of it removes it unless it was
 * renamed.
 *
 * The file is created exclusively with a random name, so a planted symlink is never followed. An
 * flock shows other processes that it is in use. If this process is killed, the system drops the
 * lock, and {@linkcode TemporaryFile.removeDead} of the next process removes the file.
 */
export class TemporaryFile implements Disposable {
  /** The file, open for reading and writing. */
  readonly file: Deno.FsFile;
  /** Path of the file until it is renamed. */
  readonly path: string;
  readonly #options: TemporaryFileOptions;
  #isRenamed = false;
  #isClosed = false;

  private constructor(file: Deno.FsFile, path: string, options: TemporaryFileOptions) {
    this.file = file;
    this.path = path;
    this.#options = options;
  }

  static async create(options: TemporaryFileOptions): Promise<TemporaryFile> {
    const { directory, prefix, suffix = "", mode = 0o666 } = options;
    for (;;) {
      const path = `${directory}/${prefix}${crypto.randomUUID()}${suffix}`;
      const file = await Deno.open(path, { read: true, write: true, createNew: true, mode });
      // Another process may remove the new file as a leftover before it is locked.
      if (await isLocked(file, path) && lstatIfAny(path) !== undefined) {
        return new TemporaryFile(file, path, options);
      }
      file.close();
    }
  }

  /**
   * Removes leftovers of killed processes from the directory: regular files with the same prefix,
   * suffix and owner that no process has open. Files that cannot be removed stay.
   */
  async removeDead(): Promise<void> {
    const { directory, prefix, suffix = "" } = this.#options;
    const { uid } = await this.file.stat();
    for (const name of namesIfAllowed(directory)) {
      const id = name.slice(prefix.length, name.length - suffix.length);
      if (!name.startsWith(prefix) || !name.endsWith(suffix) || !UUID.test(id)) continue;
      const path = `${directory}/${name}`;
      const info = lstatIfAny(path);
      if (info === undefined || !info.isFile || info.uid !== uid || path === this.path) continue;
      // Another process has just removed the file, or this one lacks the permission. Nothing
      // depends on the removal.
      await removeIfUnlocked(path, info).catch(() => {});
    }
  }

  /**
   * Moves the file to its final name, where it replaces another file. It stays open.
   *
   * @throws {StoreFileError} If a directory has that name.
   */
  rename(path: string): void {
    moveFile(this.path, path);
    this.#isRenamed = true;
  }

  /** Closes the file, and removes it unless it was renamed. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.file.close();
    if (!this.#isRenamed) removeIfAny(this.path);
  }
}

/** Lists the names in a directory; none if that is not allowed. Leftovers in it then stay. */
function namesIfAllowed(directory: string): readonly string[] {
  try {
    return namesIn(directory);
  } catch {
    return [];
  }
}

/**
 * Locks a new file. Also returns `true` if the file system has no locks, since then no process
 * removes the files of others.
 */
async function isLocked(file: Deno.FsFile, path: string): Promise<boolean> {
  return await unlessRejected(tryFlock(file, path), LockUnsupportedError) ?? true;
}

async function removeIfUnlocked(path: string, named: Deno.FileInfo): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const { ino, dev } = await file.stat();
  if (ino !== named.ino || dev !== named.dev) return;
  if (await file.tryLock(true)) removeIfAny(path);
}

/**
 * Moves a file to its final name, where it replaces another file.
 *
 * @throws {StoreFileError} If a directory has that name.
 */
export function moveFile(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.IsADirectory)) throw error;
    throw new StoreFileError("directory", to, "write", "Remove it", { cause: error });
  }
}
