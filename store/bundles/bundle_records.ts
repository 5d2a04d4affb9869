import { lockFile, tryLockFile } from "../host/file_lock.ts";
import { lstatIfAny, namesIn, removeIfAny, replaceFile } from "../host/files.ts";
import { StoreFileError } from "../host/open_regular_file.ts";
import { checkStoreFolder, checkStoreRoot, ensureStoreFolder } from "../host/private_directory.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import { removeTree } from "../host/remove_tree.ts";
import {
  type BundleRecord,
  formatBundleRecord,
  isRecordId,
  parseBundleRecord,
} from "./bundle_record.ts";

/** Maximum size of a record: 500 names of layers, and a path of 4096 bytes, escaped. */
const MAX_RECORD_BYTES = 65_536;

const ADVICE = "Remove it, and the bundle by hand";

/**
 * The records of a store's bundles. Only a record makes a directory a bundle. An entry of an image
 * cannot, since images are not unpacked into the store.
 *
 * Each bundle has up to three entries in `bundles/`: `<id>.json` is its record; `<id>.lock` is
 * locked with flock while the bundle is made or removed, and while the process of a temporary
 * bundle runs; and `<id>/` is the state of its containers.
 */
export class BundleRecords {
  readonly #store: string;
  readonly #path: string;

  private constructor(store: string) {
    this.#store = store;
    this.#path = `${store}/bundles`;
  }

  /**
   * Opens the records of a store.
   *
   * @param store The directory of the store, which need not exist.
   * @throws {UntrustedStoreError} If another user can write to it.
   */
  static open(store: string): BundleRecords {
    const records = new BundleRecords(store);
    if (checkStoreRoot(store)) checkStoreFolder(records.#path);
    return records;
  }

  /** Directory for the state of runtimes that run a bundle. */
  statePath(id: string): string {
    return `${this.#path}/${id}`;
  }

  /**
   * Reads all records.
   *
   * @param onError Called with the error of each record that cannot be read.
   * @throws {StoreFileError} If a record cannot be read and `onError` is absent.
   */
  list(onError?: (error: StoreFileError) => void): readonly BundleRecord[] {
    const names = namesIn(this.#path).filter((name) => name.endsWith(".json"));
    const records: BundleRecord[] = [];
    for (const name of names) {
      try {
        const record = this.read(name.slice(0, -".json".length));
        if (record !== undefined) records.push(record);
      } catch (error) {
        if (onError === undefined || !(error instanceof StoreFileError)) throw error;
        onError(error);
      }
    }
    return records.sort((a, b) => a.path < b.path ? -1 : 1);
  }

  /**
   * Returns the names of the extracted layers of all bundles, which may be mounted.
   *
   * @throws {StoreFileError} If a record cannot be read.
   */
  usedLayers(): ReadonlySet<string> {
    return new Set(this.list().flatMap(({ layers }) => layers));
  }

  /**
   * Reads a record.
   *
   * @returns The record, or `undefined` if the store has none with this ID.
   * @throws {StoreFileError} If the file is damaged, or another user may have made it.
   */
  read(id: string): BundleRecord | undefined {
    if (!isRecordId(id)) return undefined;
    const path = `${this.#path}/${id}.json`;
    const value = readJsonFile(path, { maxBytes: MAX_RECORD_BYTES, advice: ADVICE });
    if (value === undefined) return undefined;
    const record = parseBundleRecord(value);
    if (record?.id === id) return record;
    throw new StoreFileError("shape", path, "read", ADVICE);
  }

  /** Creates a record, and locks it until the returned file is closed. */
  async create(record: BundleRecord): Promise<Deno.FsFile> {
    await ensureStoreFolder(this.#store, "bundles", 0o700);
    const lock = await lockFile(this.#lockPath(record.id));
    try {
      await this.write(record);
    } catch (error) {
      lock.close();
      throw error;
    }
    return lock;
  }

  /** Locks a record; `undefined` if another process has locked it, or has just removed it. */
  async tryLock(id: string): Promise<Deno.FsFile | undefined> {
    if (this.read(id) === undefined) return undefined;
    const lock = await tryLockFile(this.#lockPath(id));
    if (lock === undefined || this.read(id) !== undefined) return lock;
    // The record was removed, and opening the lock created it again.
    removeIfAny(this.#lockPath(id));
    lock.close();
    return undefined;
  }

  /**
   * Replaces a locked record atomically.
   *
   * @param isDurable Whether it must survive a power failure.
   */
  async write(record: BundleRecord, isDurable: boolean = false): Promise<void> {
    const bytes = new TextEncoder().encode(formatBundleRecord(record));
    await replaceFile(this.#path, `${record.id}.json`, bytes, { mode: 0o600, isDurable });
  }

  /** Removes a locked record and everything that belongs to it. */
  async remove(id: string): Promise<void> {
    // Usually, no container has left any state behind.
    if (lstatIfAny(this.statePath(id)) !== undefined) await removeTree(this.statePath(id));
    removeIfAny(`${this.#path}/${id}.json.tmp`);
    removeIfAny(`${this.#path}/${id}.json`);
    // Last, because other processes wait for the lock.
    removeIfAny(this.#lockPath(id));
  }

  /** Removes lock files without a record, left behind by killed processes. */
  async removeStrayLocks(): Promise<void> {
    const names = new Set(namesIn(this.#path));
    for (const name of names) {
      const id = name.replace(/\.lock$/, "");
      if (id === name || !isRecordId(id) || names.has(`${id}.json`)) continue;
      using lock = await tryLockFile(this.#lockPath(id));
      if (lock !== undefined && this.read(id) === undefined) await this.remove(id);
    }
  }

  #lockPath(id: string): string {
    return `${this.#path}/${id}.lock`;
  }
}
