import { StoreError } from "../errors.ts";
import { lockFile, tryLockFile } from "../host/file_lock.ts";
import { lstatIfAny, removeIfAny, replaceSmallFile } from "../host/files.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { discardTree } from "../host/unmount.ts";
import {
  type ExtractedLayer,
  isExtracted,
  type LayerRecord,
  namesOf,
  readLayerRecord,
} from "./extracted_layer.ts";

/** A layer that is being extracted, in a temporary directory. */
export interface LayerDraft extends AsyncDisposable {
  /**
   * Path of the directory to extract into, which does not exist yet. `PATH.work` and `PATH.view` do
   * not exist either.
   */
  readonly path: string;
  /** Moves the directory to its final name. */
  publish(record: Omit<LayerRecord, "key">): Promise<ExtractedLayer>;
}

/**
 * Begins the extraction of layers, each into `chains/<name>/` with a record in `chains/<name>.json`.
 *
 * Names are short, since older kernels limit the mount options for all layers of an image to one
 * page. An attacker can make short names collide, so the record has the whole key, and each key has
 * four possible names. The record is written first, and the complete directory is renamed last: a
 * directory that has its final name is complete.
 */
export class LayerDrafts {
  readonly path: string;
  readonly #store: string;
  readonly #locks: string;
  readonly #onWait: ((message: string) => void) | undefined;

  /** Creates drafts in a store; `onWait` is called if the wait for another process is long. */
  constructor(store: string, onWait?: (message: string) => void) {
    this.#onWait = onWait;
    this.#store = store;
    this.path = `${store}/chains`;
    this.#locks = `${store}/locks`;
  }

  /**
   * Locks a key to extract its layer. Removes leftovers of a killed process.
   *
   * @returns The layer if another process has extracted it in the meantime, else a draft.
   */
  async begin(key: string, signal: AbortSignal | undefined): Promise<ExtractedLayer | LayerDraft> {
    const onWait = this.#onWait;
    return await this.#begin<never>(key, (path) => lockFile(path, { signal, onWait }));
  }

  /**
   * Works like {@linkcode begin}, but returns `undefined` if another process is extracting the
   * layer.
   */
  async tryBegin(key: string): Promise<ExtractedLayer | LayerDraft | undefined> {
    return await this.#begin<undefined>(key, (path) => tryLockFile(path));
  }

  /** Begins an extraction. Returns `undefined` if `lockName` does. */
  async #begin<None extends undefined>(
    key: string,
    lockName: (path: string) => Promise<Deno.FsFile | None>,
  ): Promise<ExtractedLayer | LayerDraft | None> {
    // Other users may not enter, for the same reason as with bundles.
    await ensureStoreFolder(this.#store, "chains", 0o700);
    await ensureStoreFolder(this.#store, "locks");
    for (const name of namesOf(key)) {
      const lockPath = `${this.#locks}/chain-${name}.lock`;
      const lock = await lockName(lockPath);
      if (lock === undefined) return lock;
      const release = () => {
        removeIfAny(lockPath);
        lock.close();
      };
      try {
        const found = await this.#beginAs(name, key, release);
        if (found !== undefined) return found;
      } catch (error) {
        lock.close();
        throw error;
      }
    }
    throw new StoreError("all its names are taken by other layers", this.path, {
      code: "store-file",
      action: `extract a layer in "${this.path}"`,
      advice: "Remove the directory",
    });
  }

  /** Returns the layer or the draft of a locked name; `undefined` if another layer has the name. */
  async #beginAs(
    name: string,
    key: string,
    release: () => void,
  ): Promise<ExtractedLayer | LayerDraft | undefined> {
    const path = `${this.path}/${name}`;
    if (isExtracted(path)) {
      const record = readLayerRecord(this.path, name);
      release();
      const isSame = typeof record === "object" && record.key === key;
      return isSame ? { ...record, name, path } : undefined;
    }
    // Resolve symlinks, as the mount table does.
    const draft = `${await Deno.realPath(this.path)}/${name}.new`;
    await discard(draft);
    return {
      path: draft,
      publish: (rest) => this.#publish(draft, name, { key, ...rest }),
      [Symbol.asyncDispose]: async () => {
        try {
          await discard(draft);
        } finally {
          release();
        }
      },
    };
  }

  async #publish(draft: string, name: string, record: LayerRecord): Promise<ExtractedLayer> {
    const path = `${this.path}/${name}`;
    await replaceSmallFile(`${path}.json`, `${JSON.stringify(record)}\n`);
    await Deno.rename(draft, path);
    return { ...record, name, path };
  }
}

/** Removes a draft, and the mounts and directories beside it. */
async function discard(draft: string): Promise<void> {
  for (const path of [draft, `${draft}.work`, `${draft}.view`]) {
    if (lstatIfAny(path) !== undefined) await discardTree(path, [`${draft}.view`]);
  }
}
