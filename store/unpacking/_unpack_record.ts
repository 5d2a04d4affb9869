import { digestHex, digestOf } from "../../spec/digest.ts";
import { tryLockFile } from "../host/file_lock.ts";
import { ensureStoreFolder, ensureStoreRoot } from "../host/private_directory.ts";
import { readSmallText } from "../host/read_small_file.ts";
import { isRefusedWrite } from "../host/refused_write.ts";
import { removeIfAny } from "../host/durable.ts";

/** Prefix of the names of records among the locks. */
export const RECORD_PREFIX = "unpack-";
/** Maximum size of a record; more than the longest path. */
const MAX_BYTES = 65_536;
/** Maximum time for which a pruning process locks a record. */
const GLANCE_MS = 50;

/**
 * The store's record of a directory that an image is unpacked into: `locks/unpack-<hash of its path>`
 * has the path and the random ID of the work directory in it. A process that unpacks locks it, so
 * that there is one at a time.
 *
 * The name of a work directory proves nothing: an image or the user can have an entry of that name. A
 * directory with the ID in the record was created with this store.
 */
export class UnpackRecord implements AsyncDisposable {
  /** ID of the work directory of a killed process; `undefined` if there is none. */
  readonly leftId: string | undefined;
  readonly #path: string;
  readonly #target: string;
  readonly #file: Deno.FsFile;
  /** Whether the record has nothing that a later process needs. */
  #isNeedless: boolean;
  #isClosed = false;

  private constructor(path: string, target: string, file: Deno.FsFile) {
    this.#path = path;
    this.#target = target;
    this.#file = file;
    const recorded = readUnpackRecord(path);
    this.leftId = recorded?.target === target ? recorded.id : undefined;
    this.#isNeedless = this.leftId === undefined;
  }

  /**
   * Locks the record of a directory.
   *
   * @param store The directory of the store.
   * @param target The directory that is unpacked into, without symlinks.
   * @returns The record; `"taken"` if another process is unpacking into the directory; `undefined` if
   * the store cannot be written to.
   */
  static async lock(store: string, target: string): Promise<UnpackRecord | "taken" | undefined> {
    const hash = digestHex(digestOf(new TextEncoder().encode(target))).slice(0, 32);
    const path = `${store}/locks/${RECORD_PREFIX}${hash}`;
    try {
      await ensureStoreRoot(store);
      await ensureStoreFolder(`${store}/locks`);
      let file = await tryLockFile(path);
      if (file === undefined) {
        await new Promise((resolve) => setTimeout(resolve, GLANCE_MS));
        file = await tryLockFile(path);
      }
      return file === undefined ? "taken" : new UnpackRecord(path, target, file);
    } catch (error) {
      // Another user's store may be read-only. Leftovers of killed processes then stay.
      if (isRefusedWrite(error)) return undefined;
      throw error;
    }
  }

  /** Records the ID of the work directory, before it is created. */
  async write(id: string): Promise<void> {
    this.#isNeedless = false;
    const bytes = new TextEncoder().encode(`${this.#target}\0${id}`);
    await this.#file.truncate();
    await this.#file.seek(0, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
  }

  /** Marks the record for removal with its lock, after the work directory is gone. */
  forget(): void {
    this.#isNeedless = true;
  }

  /** Releases the lock. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    using _file = this.#file;
    if (this.#isNeedless) await removeIfAny(this.#path);
  }
}

/** Reads a record; `undefined` if there is none, or it is empty. */
export function readUnpackRecord(
  path: string,
): { readonly target: string; readonly id: string } | undefined {
  const [target, id] = readSmallText(path, { maxBytes: MAX_BYTES })?.split("\0") ?? [];
  return target === undefined || id === undefined ? undefined : { target, id };
}
