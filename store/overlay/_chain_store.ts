import { digestHex, digestOf } from "../../spec/digest.ts";
import { lstatIfAny, replaceSmallFile } from "../host/durable.ts";
import { lockFile, tryLockFile } from "../host/file_lock.ts";
import { ensureStoreFolder, ensureStoreRoot } from "../host/private_directory.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import { removeIfAny } from "../host/remove_tree.ts";
import { discardTree } from "../host/unmount.ts";
import { StoreError, StoreFileError } from "../errors.ts";

/** What is written beside an extracted layer. */
export interface ChainRecord {
  /** What the layer was extracted from and how: tells layers of the same short name apart. */
  readonly key: string;
  /** Whether the layer hides everything in the layers below it. */
  readonly opaqueRoot: boolean;
  /** Whether the layer has an entry for the root directory. */
  readonly describesRoot: boolean;
}

/** A layer that is extracted: a directory fit to be a lower one of an overlay. */
export interface Chain extends ChainRecord {
  /** Its name under `chains/`, of 8 characters. */
  readonly name: string;
  /** Its directory. */
  readonly path: string;
}

/** Where a layer is extracted before it gets its name. */
export interface ChainDraft extends AsyncDisposable {
  /** Path of the directory to extract into, which does not exist; its siblings are free too. */
  readonly path: string;
  /** Gives the directory its name, for good. */
  publish(record: Omit<ChainRecord, "key">): Promise<Chain>;
}

/** Maximum size of a record, which has two digests and some words. */
const MAX_RECORD_BYTES = 4096;
const NAME_LENGTH = 8;
const NAMES_PER_KEY = 4;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * Extracted layers, each in `chains/<name>/` with a record in `chains/<name>.json`.
 *
 * Names are short, since on older kernels all of an image's must fit into a page of mount
 * options. A short name can be made to collide, so the whole key is in the record, and each key has
 * four names to choose from. A directory appears under its name when it is complete, by a rename,
 * after its record: what has a name is whole.
 */
export class ChainStore {
  /** The directory. */
  readonly path: string;
  readonly #store: string;
  readonly #locks: string;
  readonly #onWait: ((message: string) => void) | undefined;

  /** In the directory of a store; `onWait` is told of a wait for another process. */
  constructor(store: string, onWait?: (message: string) => void) {
    this.#onWait = onWait;
    this.#store = store;
    this.path = `${store}/chains`;
    this.#locks = `${store}/locks`;
  }

  /**
   * The layer of a key, if it is extracted. Synchronous, as an image has hundreds: read so, they
   * take a tenth of the time that awaited calls do.
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
   * Locks a key to extract its layer. What a killed process has left is removed.
   *
   * @returns The layer if somebody else has extracted it meanwhile, else a draft.
   */
  async begin(key: string, signal: AbortSignal | undefined): Promise<Chain | ChainDraft> {
    const onWait = this.#onWait;
    return await this.#begin<never>(key, (path) => lockFile(path, { signal, onWait }));
  }

  /** Does as {@linkcode begin} does unless somebody else is extracting the layer. */
  async tryBegin(key: string): Promise<Chain | ChainDraft | undefined> {
    return await this.#begin<undefined>(key, (path) => tryLockFile(path));
  }

  /** `None` is what there is in place of a lock that somebody else holds. */
  async #begin<None extends undefined>(
    key: string,
    lockName: (path: string) => Promise<Deno.FsFile | None>,
  ): Promise<Chain | ChainDraft | None> {
    // Nobody else may enter, as in bundles.
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
        // Without links, as the table of mounts has it.
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
    throw new StoreError(
      `Cannot extract a layer in "${this.path}": all its names are taken by other layers; ` +
        "remove the directory",
      this.path,
    );
  }

  async #publish(draft: string, name: string, record: ChainRecord): Promise<Chain> {
    const path = `${this.path}/${name}`;
    await replaceSmallFile(`${path}.json`, `${JSON.stringify(record)}\n`);
    await Deno.rename(draft, path);
    return { ...record, name, path };
  }

  /** Reads a record. A damaged one leaves its name to a directory that nobody can use any more. */
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

/** Whether a layer is there; what somebody else has put there is no layer. */
function isThere(path: string): boolean {
  const info = lstatIfAny(path);
  if (info === undefined) return false;
  // Its owner and mode are those that the image gives its root.
  if (info.isDirectory) return true;
  const fault = info.isSymlink ? "symlink" : "special";
  throw new StoreFileError(fault, path, "read", "remove it and try again");
}

/** Removes what there is of a draft, and of the mounts and directories beside it. */
async function discard(draft: string): Promise<void> {
  for (const path of [draft, `${draft}.work`, `${draft}.view`]) {
    if (lstatIfAny(path) === undefined) continue;
    await discardTree(path, [`${draft}.view`]);
  }
}

/** The names that a key may have, in the order in which they are tried. */
function namesOf(key: string): readonly string[] {
  const hex = digestHex(digestOf(new TextEncoder().encode(key)));
  const bytes = hex.match(/../g)?.map((pair) => ALPHABET[parseInt(pair, 16) & 31]).join("") ?? "";
  return Array.from(
    { length: NAMES_PER_KEY },
    (_, i) => bytes.slice(i * NAME_LENGTH, (i + 1) * NAME_LENGTH),
  );
}
