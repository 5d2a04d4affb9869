import { type Digest, isDigest } from "../../spec/digest.ts";
import { isDiskFull } from "../../spec/error_facts.ts";
import { StoreError } from "../errors.ts";
import { lockFile, tryLockFile, unlessUnwritable, type WaitOptions } from "../host/file_lock.ts";
import { namesIn, tryRemove, writeAllSync } from "../host/files.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { readSmallText } from "../host/read_small_file.ts";
import { isRefusedWrite } from "../host/system_error.ts";

/** Maximum size of a hold file, enough for about 100,000 digests. */
const MAX_HOLD_BYTES = 16 * 1024 * 1024;

/** Blobs that a running command uses. A held blob is never pruned. */
export interface Hold extends Disposable {
  /**
   * Holds more blobs. Once this resolves, they are not pruned, even if they are stored later.
   *
   * @returns Whether any of them was not held before.
   */
  add(...digests: readonly Digest[]): Promise<boolean>;
}

/** Path of the hold files in a store. */
const HOLDS = "locks/holds";

/**
 * Locks the store against pruning or for pruning. Any number of processes may add to their holds at
 * the same time, but none while another one prunes.
 */
export async function lockPruning(
  store: string,
  purpose: "hold" | "prune",
  options: WaitOptions = {},
): Promise<Disposable> {
  return await lockFile(`${store}/locks/prune.lock`, { ...options, shared: purpose === "hold" });
}

/**
 * Creates the file of a hold. Meanwhile, no other command can begin to prune, or to remove the
 * directories of a store from a layout.
 */
async function lockHold(store: string, path: string, options: WaitOptions): Promise<Deno.FsFile> {
  try {
    using _lock = await lockPruning(store, "hold", options);
    return await lockFile(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new StoreError("it was removed after it was opened", store, {
      code: "not-a-store",
      action: `use the store "${store}"`,
      advice: "Open the store again",
      cause: error,
    });
  }
}

/** Begins a hold, which ends when it is disposed of, or with the process. Until then, `active` has it. */
async function beginHold(
  store: string,
  options: WaitOptions,
  active: Set<Hold> = new Set(),
): Promise<Hold> {
  const path = `${store}/${HOLDS}/${crypto.randomUUID()}`;
  const file = await lockHold(store, path, options);
  const held = new Set<Digest>();
  let isOver = false;
  const hold: Hold = {
    add: async (...digests) => {
      const added = digests.filter((digest) => !held.has(digest));
      if (added.length === 0) return false;
      using _lock = await lockPruning(store, "hold", options);
      if (isOver) return false;
      // If the disk was full before, the file may end in the middle of a digest.
      const text = added.map((digest) => `\n${digest}`).join("");
      writeAllSync(file, new TextEncoder().encode(text), path);
      for (const digest of added) held.add(digest);
      return true;
    },
    [Symbol.dispose]: () => {
      isOver = true;
      active.delete(hold);
      // Without the lock, the file protects nothing.
      tryRemove(path);
      file.close();
    },
  };
  active.add(hold);
  return hold;
}

/** Prepares a store for holds. Returns whether this process can write to the store. */
export async function prepareHolds(store: string, prepare?: () => Promise<void>): Promise<boolean> {
  try {
    await prepare?.();
    await ensureStoreFolder(store, HOLDS);
    return true;
  } catch (error) {
    // A process that cannot write has stored nothing that it could lose.
    if (isRefusedWrite(error)) return false;
    throw error;
  }
}

/** The holds of one store object. */
export class Holds {
  readonly #store: string;
  readonly #options: WaitOptions;
  readonly #active = new Set<Hold>();

  /** Creates the object for a store whose directory of holds exists. */
  constructor(store: string, options: WaitOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Begins a hold of all blobs that are added from now on. */
  async begin(signal: AbortSignal | undefined): Promise<Hold> {
    return await beginHold(this.#store, { ...this.#options, signal }, this.#active);
  }

  async add(digest: Digest): Promise<void> {
    for (const hold of this.#active) await hold.add(digest);
  }

  /** Adds a blob that is being looked up to every hold, unless the disk is full. */
  async addFound(digest: Digest): Promise<void> {
    try {
      await this.add(digest);
    } catch (error) {
      // Reading needs no space; the next write reports the full disk.
      if (!isDiskFull(error)) throw error;
    }
  }

  /** Holds a blob until the result is disposed of; `undefined` if the existing holds protect it. */
  async hold(digest: Digest, signal: AbortSignal | undefined): Promise<Disposable | undefined> {
    await this.addFound(digest);
    if (this.#active.size > 0) return undefined;
    using stack = new DisposableStack();
    try {
      const own = stack.use(await beginHold(this.#store, { ...this.#options, signal }));
      await own.add(digest);
      stack.move();
      return own;
    } catch (error) {
      // The blob may already be stored. On a read-only file system, nothing can be pruned.
      if (!isDiskFull(error) && !isRefusedWrite(error)) throw error;
      return undefined;
    }
  }
}

/**
 * Returns the blobs that running commands hold. Removes the hold files of killed commands, except in
 * a dry run, where a file that cannot be locked counts as that of a running command.
 */
export async function heldDigests(
  store: string,
  { dryRun = false }: { readonly dryRun?: boolean | undefined } = {},
): Promise<ReadonlySet<Digest>> {
  const held = new Set<Digest>();
  for (const name of namesIn(`${store}/${HOLDS}`)) {
    const path = `${store}/${HOLDS}/${name}`;
    const lock = () => tryLockFile(path);
    const stale = dryRun ? await unlessUnwritable(lock) : await lock();
    if (stale !== undefined) {
      if (!dryRun) await Deno.remove(path);
      stale.close();
      continue;
    }
    for (const line of readSmallText(path, { maxBytes: MAX_HOLD_BYTES })?.split("\n") ?? []) {
      if (isDigest(line)) held.add(line);
    }
  }
  return held;
}

/**
 * Locks a store as for pruning, unless another command uses it. Of commands that end at the same
 * time, the last one gets the lock.
 *
 * @returns The lock, or `undefined` if the store is in use or has no locks any more.
 */
export async function lockUnused(
  store: string,
  options: WaitOptions,
): Promise<Disposable | undefined> {
  using stack = new DisposableStack();
  try {
    const lock = stack.use(await lockPruning(store, "prune", options));
    for (const name of namesIn(`${store}/${HOLDS}`)) {
      const stale = await tryLockFile(`${store}/${HOLDS}/${name}`);
      if (stale === undefined) return undefined;
      stale.close();
    }
    stack.move();
    return lock;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
