import { digestHex, digestOf } from "../../spec/digest.ts";
import { tryLockFile } from "../host/file_lock.ts";
import { ensureStoreFolder, ensureStoreRoot } from "../host/private_directory.ts";
import { readSmallText } from "../host/read_small_file.ts";
import { isRefusedWrite } from "../host/refused_write.ts";
import { removeIfAny } from "../host/durable.ts";

/** Prefix of the names of records among the locks. */
export const RECORD_PREFIX = "unpack-";
/** More than the longest path. */
const MAX_BYTES = 65_536;
/** Time in which a process that prunes has looked at a record. */
const GLANCE_MS = 50;

/**
 * What a store knows of a directory that is unpacked into: `locks/unpack-<hash of its path>` has the
 * path and the random id of the work directory in it. It is locked while a process unpacks, so that
 * one does at a time.
 *
 * The name of a work directory proves nothing: an image can have an entry of that name, and so can
 * its user. One that holds the id in the record was made by this store's commands.
 */
export class UnpackRecord implements AsyncDisposable {
  /** Id of the work directory that a killed process has left; `undefined` if none has. */
  readonly leftId: string | undefined;
  readonly #path: string;
  readonly #target: string;
  readonly #file: Deno.FsFile;
  /** Whether nothing is written down that a later process needs. */
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
      // Root's store can be read by everybody. What a killed process leaves then stays.
      if (isRefusedWrite(error)) return undefined;
      throw error;
    }
  }

  /** Writes down the id of the work directory, before it is made. */
  async write(id: string): Promise<void> {
    this.#isNeedless = false;
    const bytes = new TextEncoder().encode(`${this.#target}\0${id}`);
    await this.#file.truncate();
    await this.#file.seek(0, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
  }

  /** Has the record removed when the lock is given up: there is no work directory any more. */
  forget(): void {
    this.#isNeedless = true;
  }

  /** Gives up the lock. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    using _file = this.#file;
    if (this.#isNeedless) await removeIfAny(this.#path);
  }
}

/** Reads a record; `undefined` if there is none, or if it says nothing. */
export function readUnpackRecord(
  path: string,
): { readonly target: string; readonly id: string } | undefined {
  const [target, id] = readSmallText(path, { maxBytes: MAX_BYTES })?.split("\0") ?? [];
  return target === undefined || id === undefined ? undefined : { target, id };
}
