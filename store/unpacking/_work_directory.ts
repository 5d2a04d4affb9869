import type { FileTree } from "../../layer/trees/file_tree.ts";
import { lockDirectory } from "../host/lock_directory.ts";
import { removeTree } from "../host/remove_tree.ts";
import type { UnpackRecord } from "./_unpack_record.ts";

/** Name of the work directory: to make it is to take the directory, as one process can. */
export const WORK = ".oci-unpack";

/** A directory in the one that is unpacked into, for what has no name there yet. */
export class WorkDirectory implements AsyncDisposable {
  readonly #id: string;
  readonly #record: UnpackRecord | undefined;
  /** Tells processes with other stores that this one lives. */
  readonly #lock: Disposable | undefined;
  #path: string;
  #isRemoved = false;

  private constructor(
    path: string,
    id: string,
    record: UnpackRecord | undefined,
    lock: Disposable | undefined,
  ) {
    this.#path = path;
    this.#id = id;
    this.#record = record;
    this.#lock = lock;
  }

  /**
   * Makes a work directory with a new id in it, and writes that down.
   *
   * @param path Its path.
   * @param record The record; it is disposed of with the directory.
   * @returns The directory; `null` if there is one already.
   */
  static async make(
    path: string,
    record: UnpackRecord | undefined,
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
      await Deno.mkdir(`${path}/${id}`, { mode: 0o700 });
      const lock = await lockDirectory(path);
      return new WorkDirectory(path, id, record, typeof lock === "string" ? undefined : lock);
    } catch (error) {
      await removeTree(path);
      record?.forget();
      throw error;
    }
  }

  /** Its path. */
  get path(): string {
    return this.#path;
  }

  /** Gives it another name in the directory that it is in, which no image can have. */
  rename(tree: FileTree): void {
    const name = this.#path.slice(this.#path.lastIndexOf("/") + 1);
    tree.rename(name, `${name}-${this.#id}`);
    this.#path += `-${this.#id}`;
  }

  /** Removes all that is in it, but for its id. */
  async clear(): Promise<void> {
    for await (const { name } of Deno.readDir(this.#path)) {
      if (name !== this.#id) await removeTree(`${this.#path}/${name}`);
    }
  }

  /** Removes it, and its record. */
  async remove(): Promise<void> {
    if (this.#isRemoved) return;
    await removeTree(this.#path);
    this.#record?.forget();
    this.#isRemoved = true;
  }

  /** Removes it, and gives up its locks. */
  async [Symbol.asyncDispose](): Promise<void> {
    await using _record = this.#record;
    using _lock = this.#lock;
    await this.remove();
  }
}
