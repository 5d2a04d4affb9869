import { decodeName, encodeName } from "../../layer/file_name.ts";
import type { FileStatus } from "../../layer/trees/file_tree.ts";
import { digestHex, digestOf } from "../../spec/digest.ts";
import { isDiskFull } from "../../spec/error_facts.ts";
import { tryLockFile } from "../host/file_lock.ts";
import { removeIfAny, writeAll } from "../host/files.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { readSmallFile } from "../host/read_small_file.ts";
import { isRefusedWrite } from "../host/system_error.ts";

/** Prefix of the names of records, which are in the directory of the locks. */
export const RECORD_PREFIX = "unpack-";
/** Maximum size of a record: enough for tens of thousands of published entries. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Time for which a pruning process may hold the lock of a record. */
const PRUNING_MS = 50;

/** Record of a directory that an image is unpacked into. */
export interface UnpackRecord {
  /** Path of the directory that is unpacked into, without symlinks. */
  readonly target: string;
  /** ID of the work directory. */
  readonly id: string;
  /** Identities of the entries that are moved out of the work directory, by name. */
  readonly published: ReadonlyMap<string, string>;
}

/**
 * A record that this process has locked, so that no other one unpacks into the directory. It is the
 * file `locks/unpack-<hash of the path>`, with the path and the random ID of the work directory.
 * Before the entries of the image are moved to their final places, it lists them too.
 *
 * The name of a work directory proves nothing, since an image or the user may use it as well. One
 * that contains the recorded ID was created with this store.
 */
export class LockedUnpackRecord implements Disposable {
  /** The record of a killed process; `undefined` if there is none. */
  readonly left: UnpackRecord | undefined;
  readonly #path: string;
  readonly #target: string;
  readonly #file: Deno.FsFile;
  /** Whether no later process needs the record. */
  #isNeedless: boolean;
  #isClosed = false;

  private constructor(path: string, target: string, file: Deno.FsFile) {
    this.#path = path;
    this.#target = target;
    this.#file = file;
    const recorded = readUnpackRecord(path);
    this.left = recorded?.target === target ? recorded : undefined;
    this.#isNeedless = this.left === undefined;
  }

  /**
   * Locks the record of a directory.
   *
   * @param target The directory that is unpacked into, without symlinks.
   * @returns The record; `"taken"` if another process is unpacking into the directory; `undefined`
   * if the store cannot be written to.
   */
  static async lock(
    store: string,
    target: string,
  ): Promise<LockedUnpackRecord | "taken" | undefined> {
    const path = recordPath(store, target);
    try {
      await ensureStoreFolder(store, "locks");
      let file = await tryLockFile(path);
      if (file === undefined) {
        await new Promise((resolve) => setTimeout(resolve, PRUNING_MS));
        file = await tryLockFile(path);
      }
      return file === undefined ? "taken" : new LockedUnpackRecord(path, target, file);
    } catch (error) {
      // Another user's store may be read-only. Leftovers of killed processes then stay.
      if (isRefusedWrite(error)) return undefined;
      throw error;
    }
  }

  /** Records the ID of the work directory, before it is created. */
  async write(id: string): Promise<void> {
    this.#isNeedless = false;
    await this.#file.truncate();
    await this.#file.seek(0, Deno.SeekMode.Start);
    if (!await this.#append(`${this.#target}\0${id}`)) this.#isNeedless = true;
  }

  /** Records the entries to move out of the work directory, before the first one is moved. */
  async writePublished(entries: Iterable<readonly [name: string, FileStatus]>): Promise<void> {
    let text = "";
    for (const [name, status] of entries) text += `\0${name}\0${identityOf(status)}`;
    // If a process that moves more entries than that is killed, they are left behind.
    if (text.length < MAX_BYTES / 4) await this.#append(text);
  }

  /** Appends text. Returns `false` if the store's disk is full; the directory may be elsewhere. */
  async #append(text: string): Promise<boolean> {
    const bytes = encodeName(text);
    try {
      await writeAll(this.#file, bytes);
      return true;
    } catch (error) {
      if (isDiskFull(error)) return false;
      throw error;
    }
  }

  /** Makes disposal remove the record. Call this once the work directory has been removed. */
  forget(): void {
    this.#isNeedless = true;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    using _file = this.#file;
    if (this.#isNeedless) removeIfAny(this.#path);
  }
}

/** Returns the path of the record of a directory. */
export function recordPath(store: string, target: string): string {
  const hash = digestHex(digestOf(new TextEncoder().encode(target))).slice(0, 32);
  return `${store}/locks/${RECORD_PREFIX}${hash}`;
}

/** Reads a record; `undefined` if there is none, or it is empty. */
export function readUnpackRecord(path: string): UnpackRecord | undefined {
  const bytes = readSmallFile(path, { maxBytes: MAX_BYTES });
  const [target, id, ...fields] = bytes === undefined ? [] : decodeName(bytes).split("\0");
  if (target === undefined || id === undefined) return undefined;
  const published = new Map<string, string>();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    published.set(fields[i] ?? "", fields[i + 1] ?? "");
  }
  return { target, id, published };
}

/** Returns a text that changes if the user changes or replaces the entry. */
export function identityOf({ type, ino, mtime, mtimeNs }: FileStatus): string {
  // Without the native backend, times have only milliseconds.
  return `${type} ${ino} ${mtime} ${Math.floor(mtimeNs / 1e6)}`;
}
