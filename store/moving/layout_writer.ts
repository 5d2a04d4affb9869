import { isDigestAlgorithm } from "../../spec/digest.ts";
import type { OpenContent, PushContentOptions } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { ContentStore } from "../content/content_store.ts";
import type { Hold } from "../content/hold.ts";
import { nameAnnotations, type RecordedEntry } from "../content/layout_index.ts";
import { StoreError } from "../errors.ts";
import {
  FILE_MODE,
  ifPermitted,
  lstatIfAny,
  missingDirectories,
  namesIn,
  removeEmptyDirectories,
  removeIfAny,
} from "../host/files.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { removeTree } from "../host/remove_tree.ts";
import { isRefusedWrite } from "../host/system_error.ts";
import { LayoutContent } from "./layout_content.ts";

/** The lock that prevents other writers from beginning, and the marker of a temporary directory. */
const LAST_LOCKS = ["prune.lock", "temporary"];
/** Directories that only a store has, except `locks`, which marks a store and is removed last. */
const STORE_FOLDERS = ["ingest", "verified"];
/** Files that make a directory a layout. */
const LAYOUT_FILES = ["oci-layout", "index.json"];

/** Maximum number of attempts to begin while other writers of the layout end. */
const MAX_ATTEMPTS = 20;

/**
 * Writes images into an OCI layout in a directory. Names are recorded at the end, or by `record()`,
 * because each change writes all names of the layout. A new layout is created with the first
 * content. If it has no image at the end, it is removed; only content that was downloaded stays for
 * the next writer, without the files that make the directory a layout.
 *
 * Writing creates the directories of a store. Unless the layout is a store, the last of several
 * writers removes them when it ends. After a failure they stay, so that the next writer can resume
 * the downloads in them.
 */
export class LayoutWriter extends LayoutContent implements AsyncDisposable {
  readonly #layout: ContentStore;
  readonly #isStore: boolean;
  readonly #signal: AbortSignal | undefined;
  /** Whether the layout did not exist before. */
  readonly #isNew: boolean;
  /** Directories that did not exist before, the innermost first. */
  readonly #missing: readonly string[];
  /** Whether a new layout may have content that a later writer should not have to download again. */
  #hasDownloads: boolean;
  #hold: Promise<Hold | undefined> | undefined;
  /** Names to record. */
  readonly #named = new Map<string, RecordedEntry>();

  private constructor(layout: ContentStore, isStore: boolean, signal: AbortSignal | undefined) {
    super(layout);
    this.#layout = layout;
    this.#isStore = isStore;
    this.#signal = signal;
    this.#isNew = LAYOUT_FILES.every((name) => lstatIfAny(`${layout.path}/${name}`) === undefined);
    this.#missing = ifPermitted(() => missingDirectories(layout.path)) ?? [];
    this.#hasDownloads = this.#isNew && (hasBlobs(layout.path) || hasParts(layout.path));
  }

  /** Opens the layout in a directory, which may be empty or absent. */
  static async create(path: string, signal?: AbortSignal): Promise<LayoutWriter> {
    const layout = await openTarget(path);
    // A file that cannot be changed would be an error only once all content is there.
    await layout.references();
    // Without the other directories, another writer is removing the locks.
    const isStore = lstatIfAny(`${path}/locks`) !== undefined &&
      STORE_FOLDERS.some((name) => lstatIfAny(`${path}/${name}`) !== undefined) &&
      lstatIfAny(markerOf(layout)) === undefined;
    const writer = new LayoutWriter(layout, isStore, signal);
    // No other command may prune the content until the end.
    if (!writer.#isNew) await writer.#begin();
    return writer;
  }

  /** Stores a document or a blob. */
  override async push(
    descriptor: Descriptor,
    open: OpenContent,
    options?: PushContentOptions,
  ): Promise<void> {
    await this.#begin();
    // Only a registry names itself as the source.
    if (options?.source !== undefined) this.#hasDownloads = true;
    await super.push(descriptor, open, options);
  }

  /** Finds the document that has a name, or will have it. */
  override async resolve(name: string): Promise<Descriptor | undefined> {
    return this.#named.get(name)?.descriptor ?? await super.resolve(name);
  }

  /** Gives a stored document a name, also in the form that containerd reads. */
  override tag(name: string, descriptor: Descriptor): Promise<void> {
    this.#named.set(name, { name, descriptor, annotations: nameAnnotations(name) });
    return Promise.resolve();
  }

  /** Records the names so far. */
  async record(): Promise<void> {
    await this.#record(this.#signal);
  }

  async #record(signal: AbortSignal | undefined): Promise<void> {
    await this.#layout.record([...this.#named.values()], signal);
    this.#named.clear();
  }

  /** Records a document without a name. */
  async keep(descriptor: Descriptor, signal?: AbortSignal): Promise<void> {
    await this.#layout.keep(descriptor, signal);
  }

  /**
   * Records the names, and removes the directories that only a store needs from the complete layout.
   */
  async commit(): Promise<void> {
    await this.record();
    await this.#end();
    await this.#tidy({ isComplete: true });
  }

  /**
   * After a failure, records the images that were complete before. Ends the protection against
   * pruning. Removes the directories of a store if they are unused, and a new layout without images.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    // The caller reports the failure. An abort must not lose the images either.
    await this.#record(undefined).catch(() => {});
    await this.#end();
    await this.#tidy({ isComplete: false });
  }

  /** Protects content without a name against pruning. */
  async #begin(): Promise<void> {
    const hold = this.#hold ??= this.#prepare();
    try {
      await hold;
    } catch (error) {
      // The next write tries again.
      if (this.#hold === hold) this.#hold = undefined;
      throw error;
    }
  }

  async #prepare(): Promise<Hold | undefined> {
    for (let attempt = 1;; attempt++) {
      try {
        if (!this.#isStore) await this.#mark();
        const hold = await this.#layout.hold(this.#signal);
        // Another writer may have removed the marker before the hold began.
        if (!this.#isStore) await this.#mark();
        return hold;
      } catch (error) {
        const cause = error instanceof StoreError ? error.cause : error;
        const isRemoved = cause instanceof Deno.errors.NotFound;
        // Until the hold begins, another writer that ends may remove the directories of the store.
        if (!isRemoved || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async #mark(): Promise<void> {
    const { path } = this.#layout;
    try {
      await ensureStoreFolder(path, "locks");
      await Deno.writeFile(markerOf(this.#layout), new Uint8Array(), { mode: FILE_MODE });
    } catch (error) {
      // The first write reports a directory that is read-only.
      if (!isRefusedWrite(error)) throw error;
    }
  }

  async #end(): Promise<void> {
    const hold = this.#hold;
    this.#hold = undefined;
    try {
      (await hold)?.[Symbol.dispose]();
    } catch {
      // The hold never began, as the first write has reported.
    }
  }

  /** Removes unused files and directories unless the layout is a store or has another writer. */
  async #tidy({ isComplete }: { readonly isComplete: boolean }): Promise<void> {
    const { path } = this.#layout;
    // Not that of a store, or another writer has removed it.
    if (lstatIfAny(markerOf(this.#layout)) === undefined) return;
    const { lockUnused } = await import("../content/hold.ts");
    const lock = await lockUnused(path, { onWait: this.#layout.onWait });
    if (lock === undefined) return;
    let isEmpty = false;
    try {
      if (this.#isNew && (await this.#layout.descriptors()).length === 0) {
        // Without them, nobody takes the directory for a complete layout.
        for (const name of LAYOUT_FILES) removeIfAny(`${path}/${name}`);
        if (this.#hasDownloads && (hasBlobs(path) || hasParts(path))) return;
        await removeTree(`${path}/blobs`);
        isEmpty = true;
      } else if (!isComplete && hasParts(path)) return;
      for (const folder of STORE_FOLDERS) await removeTree(`${path}/${folder}`);
      await removeLocks(`${path}/locks`);
    } finally {
      lock[Symbol.dispose]();
    }
    removeEmptyDirectories([`${path}/locks`, ...isEmpty ? this.#missing : []]);
  }
}

/** Whether a layout has blobs or files beside them. */
function hasBlobs(path: string): boolean {
  return namesIn(`${path}/blobs`).some((name) => {
    return !isDigestAlgorithm(name) || namesIn(`${path}/blobs/${name}`).length > 0;
  });
}

/** Whether a layout has partial downloads. A source that fails at once leaves an empty file. */
function hasParts(path: string): boolean {
  return namesIn(`${path}/ingest`).some((name) => {
    return (lstatIfAny(`${path}/ingest/${name}`)?.size ?? 0) > 0;
  });
}

/**
 * Removes the directory with the locks, one of which is still held. On NFS, on FUSE and on Windows,
 * that file stays until it is closed, and so does the directory.
 */
async function removeLocks(path: string): Promise<void> {
  for (const name of namesIn(path)) {
    if (!LAST_LOCKS.includes(name)) await removeTree(`${path}/${name}`);
  }
  // Without a pause between them: a directory without the marker looks like that of a store.
  removeEmptyDirectories([...LAST_LOCKS.map((name) => `${path}/${name}`), path]);
}

/** Returns the path of the file that marks `locks` as temporary, unlike that of a store. */
function markerOf({ path }: ContentStore): string {
  return `${path}/locks/temporary`;
}

/** Opens a layout. Errors describe it as the target of a copy rather than as a store. */
async function openTarget(path: string): Promise<ContentStore> {
  try {
    return await ContentStore.open(path);
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    const action = `write an OCI layout to "${cause.path}"`;
    const { problem, advice } = cause;
    throw new StoreError(problem, cause.path, { code: "output", action, advice, cause });
  }
}
