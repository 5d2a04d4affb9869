import { type Digest, isDigest } from "../../spec/digest.ts";
import type { ContentStore } from "../content/content_store.ts";
import { lockFile } from "../host/file_lock.ts";
import { lstatIfAny, replaceFile } from "../host/files.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { readJsonFile } from "../host/read_small_file.ts";

/** Name of the file in the store. */
const FILE = "hidden.json";
const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** Maximum number of entries. The oldest are dropped. */
const MAX_ENTRIES = 65_536;

/**
 * Content that was deleted from a served repository although other content there still refers to it.
 * The list is kept in the store, so that the content stays hidden after a restart.
 */
export class HiddenContent {
  readonly #store: ContentStore;
  #keys: ReadonlySet<string> | undefined;
  /** State of the file when it was read. */
  #stamp: string | undefined;

  /** Uses the list in a store, which is read on demand. */
  constructor(store: ContentStore) {
    this.#store = store;
  }

  /** Object that is replaced when this or another process hides or shows content. */
  get version(): unknown {
    return this.#latest();
  }

  /**
   * Returns whether content was deleted from a repository and not pushed again, as of the last
   * {@linkcode HiddenContent.version}.
   */
  has(repository: string, digest: Digest): boolean {
    const keys = this.#keys ?? this.#latest();
    return keys.size > 0 && keys.has(contentKey(repository, digest));
  }

  async add(repository: string, digest: Digest): Promise<void> {
    await this.#change((keys) => keys.add(contentKey(repository, digest)));
  }

  /** Shows content that is pushed again. */
  async delete(repository: string, digest: Digest): Promise<void> {
    if (!this.#latest().has(contentKey(repository, digest))) return;
    await this.#change((keys) => keys.delete(contentKey(repository, digest)));
  }

  /** Returns the current list. Reads the file again if another process has replaced it. */
  #latest(): ReadonlySet<string> {
    const { ino, size, mtime } = lstatIfAny(this.#path) ?? {};
    const stamp = `${ino} ${size} ${mtime?.getTime()}`;
    if (this.#keys !== undefined && stamp === this.#stamp) return this.#keys;
    const keys = this.#read();
    this.#stamp = stamp;
    return this.#keys = keys;
  }

  get #path(): string {
    return `${this.#store.path}/${FILE}`;
  }

  #read(): Set<string> {
    const advice = "Remove it; deleted content that an index lists is then served again";
    const { hidden } = readJsonFile(this.#path, { maxBytes: MAX_FILE_BYTES, advice }) ?? {};
    return new Set(Array.isArray(hidden) ? hidden.filter((key) => typeof key === "string") : []);
  }

  async #change(change: (keys: Set<string>) => void): Promise<void> {
    const { path, onWait } = this.#store;
    await ensureStoreFolder(path, "locks");
    using _lock = await lockFile(`${path}/locks/hidden.lock`, { onWait });
    // Another process may have changed it.
    const keys = this.#read();
    change(keys);
    for (const key of keys) {
      const digest = key.slice(key.indexOf("@") + 1);
      // Pruned content need not be hidden.
      const isThere = isDigest(digest) && lstatIfAny(this.#store.blobPath(digest)) !== undefined;
      if (!isThere || keys.size > MAX_ENTRIES) keys.delete(key);
    }
    const bytes = new TextEncoder().encode(JSON.stringify({ hidden: [...keys] }));
    await replaceFile(path, FILE, bytes);
  }
}

export function contentKey(repository: string, digest: Digest): string {
  return `${repository}@${digest}`;
}
