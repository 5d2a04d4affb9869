import { digestHex, digestOf } from "../../spec/digest.ts";
import { lstatIfAny, removeIfAny, replaceSmallFile } from "../host/durable.ts";
import { lockFile, tryLockFile } from "../host/file_lock.ts";
import { ensureStoreFolder, ensureStoreRoot } from "../host/private_directory.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import { discardTree } from "../host/unmount.ts";
import { StoreError, StoreFileError } from "../errors.ts";

/** Record of an extracted layer. */
export interface ChainRecord {
  /** Source and settings of the extraction, which distinguish layers with the same short name. */
  readonly key: string;
  /** Whether the layer hides everything in the layers below it. */
  readonly opaqueRoot: boolean;
  /** Whether the layer has an entry for the root directory. */
  readonly describesRoot: boolean;
}

/** An extracted layer, which can be a lower directory of an overlay. */
export interface Chain extends ChainRecord {
  /** Name under `chains/`, of 8 characters. */
  readonly name: string;
  /** Path of the directory. */
  readonly path: string;
}

/** Temporary directory in which a layer is extracted. */
export interface ChainDraft extends AsyncDisposable {
  /**
   * Path of the directory to extract into, which does not exist yet. Its siblings are unused too.
   */
  readonly path: string;
  /** Moves the directory to its final name. */
  publish(record: Omit<ChainRecord, "key">): Promise<Chain>;
}

/** Maximum size of a record, which holds two digests and some words. */
const MAX_RECORD_BYTES = 4096;
const NAME_LENGTH = 8;
const NAMES_PER_KEY = 4;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * Extracted layers, each in `chains/<name>/` with a record in `chains/<name>.json`.
 *
 * Names are short, since older kernels limit the mount options to one page for all layers of an
 * image. Short names can be made to collide, so the record holds the whole key, and each key has
 * four possible names. The record is written first, and then the complete directory is renamed, so
 * a directory under its final name is complete.
 */
export class ChainStore {
  /** The directory. */
  readonly path: string;
  readonly #store: string;
  readonly #locks: string;
  readonly #onWait: ((message: string) => void) | undefined;

  /** Creates the object for a store; `onWait` is called if the wait for another process is long. */
  constructor(store: string, onWait?: (message: string) => void) {
    this.#onWait = onWait;
    this.#store = store;
    this.path = `${store}/chains`;
    this.#locks = `${store}/locks`;
  }

  /**
   * Returns the layer of a key if it is extracted. Synchronous, since an image may have hundreds of
   * layers and awaited calls take ten times as long.
   */
  find(key: string): Chain | undefined {
    for (const name of namesOf(key)) {
      const record = this.#read(name);
      if (record === undefined) return undefined;
      const path = `${this.path}/${name}`;
      if (record !== "damaged" && record.key === key && isThere(path)) {
        return { ...record, name, path };
      }
    }
    return undefined;
  }

  /**
   * Locks a key to extract its layer. Removes leftovers of a killed process.
   *
   * @returns The layer if another process has extracted it meanwhile, else a draft.
   */
  async begin(key: string, signal: AbortSignal | undefined): Promise<Chain | ChainDraft> {
    const onWait = this.#onWait;
    return await this.#begin<never>(key, (path) => lockFile(path, { signal, onWait }));
  }

  /**
   * Works like {@linkcode begin}, but returns `undefined` if another process is extracting the
   * layer.
   */
  async tryBegin(key: string): Promise<Chain | ChainDraft | undefined> {
    return await this.#begin<undefined>(key, (path) => tryLockFile(path));
  }

  /** Begins an extraction; `None` is the result if another process holds the lock. */
  async #begin<None extends undefined>(
    key: string,
    lockName: (path: string) => Promise<Deno.FsFile | None>,
  ): Promise<Chain | ChainDraft | None> {
    // Only the owner may enter, as in bundles.
    await ensureStoreRoot(this.#store);
    await ensureStoreFolder(this.path, 0o700);
    await ensureStoreFolder(this.#locks);
    for (const name of namesOf(key)) {
      const lockPath = `${this.#locks}/chain-${name}.lock`;
      const lock = await lockName(lockPath);
      if (lock === undefined) return lock;
      const release = async () => {
        await removeIfAny(lockPath);
        lock.close();
      };
      try {
        const record = this.#read(name);
        const path = `${this.path}/${name}`;
        const isTaken = isThere(path);
        if (isTaken && typeof record === "object" && record.key === key) {
          await release();
          return { ...record, name, path };
        }
        if (isTaken) {
          await release();
          continue;
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
              await release();
            }
          },
        };
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

  async #publish(draft: string, name: string, record: ChainRecord): Promise<Chain> {
    const path = `${this.path}/${name}`;
    await replaceSmallFile(`${path}.json`, `${JSON.stringify(record)}\n`);
    await Deno.rename(draft, path);
    return { ...record, name, path };
  }

  /**
   * Reads a record. The name of a damaged record stays taken, and its directory is not used any
   * more.
   */
  #read(name: string): ChainRecord | "damaged" | undefined {
    try {
      const value = readJsonFile(`${this.path}/${name}.json`, { maxBytes: MAX_RECORD_BYTES });
      return value === undefined ? undefined : parseRecord(value) ?? "damaged";
    } catch (error) {
      const fault = error instanceof StoreFileError ? error.fault : undefined;
      if (fault === "syntax" || fault === "shape") return "damaged";
      throw error;
    }
  }
}

function parseRecord(value: Readonly<Record<string, unknown>>): ChainRecord | undefined {
  const { key, opaqueRoot, describesRoot } = value;
  const isValid = typeof key === "string" && typeof opaqueRoot === "boolean" &&
    typeof describesRoot === "boolean";
  return isValid ? { key, opaqueRoot, describesRoot } : undefined;
}

/** Returns whether a layer exists at a path; anything but a directory is not a layer. */
function isThere(path: string): boolean {
  const info = lstatIfAny(path);
  if (info === undefined) return false;
  // Do not check owner and mode: they come from the root directory of the image.
  if (info.isDirectory) return true;
  const fault = info.isSymlink ? "symlink" : "special";
  throw new StoreFileError(fault, path, "read", "Remove it and try again");
}

/** Removes a draft and the mounts and directories beside it. */
async function discard(draft: string): Promise<void> {
  for (const path of [draft, `${draft}.work`, `${draft}.view`]) {
    if (lstatIfAny(path) === undefined) continue;
    await discardTree(path, [`${draft}.view`]);
  }
}

/** Returns the possible names of a key, in the order in which they are tried. */
function namesOf(key: string): readonly string[] {
  const hex = digestHex(digestOf(new TextEncoder().encode(key)));
  const bytes = hex.match(/../g)?.map((pair) => ALPHABET[parseInt(pair, 16) & 31]).join("") ?? "";
  return Array.from(
    { length: NAMES_PER_KEY },
    (_, i) => bytes.slice(i * NAME_LENGTH, (i + 1) * NAME_LENGTH),
  );
}
