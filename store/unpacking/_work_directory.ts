import { openFileTree } from "../../layer/disk/open_tree.ts";
import { dropInheritedAcls } from "../../layer/trees/directory_metadata.ts";
import type { FileTree } from "../../layer/trees/file_tree.ts";
import { lockDirectory } from "../host/lock_directory.ts";
import { removeTree } from "../host/remove_tree.ts";
import type { LockedUnpackRecord } from "./_unpack_record.ts";

/** Name of the work directory. The process that creates it has claimed the target. */
export const WORK = ".oci-unpack";

/**
 * Returns the name of the work directory with an ID while an entry of the image has its usual name.
 */
export function renamedWork(id: string): string {
  return `${WORK}-${id}`;
}

/** A directory in the target for entries that are not in their final place yet. */
export class WorkDirectory implements AsyncDisposable {
  readonly #id: string;
  /** Its record, which is disposed of with it; `undefined` if the store is not writable. */
  readonly record: LockedUnpackRecord | undefined;
  /** Lock that tells processes with other stores that this process is alive. */
  readonly #lock: Disposable | undefined;
  #path: string;
  #isRemoved = false;

  private constructor(
    path: string,
    id: string,
    record: LockedUnpackRecord | undefined,
    lock: Disposable | undefined,
  ) {
    this.#path = path;
    this.#id = id;
    this.record = record;
    this.#lock = lock;
  }

  /**
   * Creates a work directory with a new ID, and records the ID.
   *
   * @param record The record, which is disposed of with the directory.
   * @returns The directory; `null` if its name is taken.
   */
  static async make(
    path: string,
    record: LockedUnpackRecord | undefined,
  ): Promise<WorkDirectory | null> {
    const id = crypto.randomUUID();
    await record?.write(id);
    try {
      await Deno.mkdir(path, { mode: 0o700 });
    } catch (error) {
      record?.forget();
      if (error instanceof Deno.errors.AlreadyExists) return null;
      throw error;
    }
    try {
      using tree = openFileTree(path);
      dropInheritedAcls(tree);
      await Deno.mkdir(`${path}/${id}`, { mode: 0o700 });
      const lock = await lockDirectory(path);
      return new WorkDirectory(path, id, record, typeof lock === "string" ? undefined : lock);
    } catch (error) {
      try {
        await removeTree(path);
        record?.forget();
      } catch {
        // Report the first error. The record still leads to what is left.
      }
      throw error;
    }
  }

  get path(): string {
    return this.#path;
  }

  /** Renames it, within its parent, to a name that no image can predict. */
  rename(tree: FileTree): void {
    const name = renamedWork(this.#id);
    tree.rename(WORK, name);
    this.#path = `${this.#path.slice(0, -WORK.length)}${name}`;
  }

  /** Removes its content except for the directory with the ID. */
  async clear(): Promise<void> {
    for await (const { name } of Deno.readDir(this.#path)) {
      if (name !== this.#id) await removeTree(`${this.#path}/${name}`);
    }
  }

  /** Removes it, and its record. */
  async remove(): Promise<void> {
    if (this.#isRemoved) return;
    // Remove the ID last: without it, only an empty directory counts as a leftover.
    await this.clear();
    await removeTree(this.#path);
    this.record?.forget();
    this.#isRemoved = true;
  }

  /** Removes it, and releases its locks. */
  async [Symbol.asyncDispose](): Promise<void> {
    using _record = this.record;
    using _lock = this.#lock;
    await this.remove();
  }
}
