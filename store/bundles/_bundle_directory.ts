import { openFileTree } from "../../layer/disk/open_tree.ts";
import { unlessThrown } from "../../spec/error_facts.ts";
import { dirname, resolve } from "../../spec/paths.ts";
import { BundleError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import { ensureDirectory } from "../host/private_directory.ts";
import { makeMark, readMark, removeMark } from "./_bundle_mark.ts";
import { type BundlePlace, findPlace, openDirectoryIfAny } from "./_bundle_place.ts";
import { type BundleRecord, isKept } from "./bundle_record.ts";
import type { BundleRecords } from "./bundle_records.ts";

/** Maximum number of attempts if other processes remove the directory in the meantime. */
const MAX_ATTEMPTS = 10;
/** Time to wait for a lock: inspecting a bundle takes less, and making or removing one takes more. */
const PATIENCE_MS = 1_000;
const PAUSE_MS = 10;

/** Initial fields of a record. */
export type BundleClaim = Pick<BundleRecord, "kind" | "image" | "isTemporary">;

/** A directory that is or becomes a bundle. Its record is locked. */
export class BundleDirectory implements Disposable {
  readonly #records: BundleRecords;
  readonly #lock: Deno.FsFile;
  readonly place: BundlePlace;
  #record: BundleRecord;

  private constructor(
    records: BundleRecords,
    lock: Deno.FsFile,
    record: BundleRecord,
    place: BundlePlace = "here",
  ) {
    this.#records = records;
    this.#lock = lock;
    this.#record = record;
    this.place = place;
  }

  /** The store's record of the bundle. */
  get record(): BundleRecord {
    return this.#record;
  }

  /** The directory, as an absolute path without symlinks. */
  get path(): string {
    return this.#record.path;
  }

  /**
   * Rejects a directory in which no bundle can be made. Removes a dead bundle of the store from it.
   *
   * @throws {BundleError} If it is not a directory, is not empty, or has a bundle.
   */
  static async prepare(records: BundleRecords, directory: string): Promise<void> {
    const path = realTarget(directory);
    const status = lstatIfAny(path);
    if (status?.isDirectory === false) throw notDirectory(directory);
    if (status !== undefined) await removeDead(records, path);
  }

  /**
   * Claims a new or empty directory for a bundle, or that of a dead bundle of the store, which is
   * removed first. If several processes claim a directory, one succeeds.
   */
  static async claim(
    records: BundleRecords,
    directory: string,
    claim: BundleClaim,
  ): Promise<BundleDirectory> {
    for (let attempt = 1;; attempt++) {
      try {
        return await BundleDirectory.#tryClaim(records, directory, claim);
      } catch (error) {
        if (
          error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory
        ) throw notDirectory(directory, error);
        // Another process has just removed a bundle that was there.
        if (!(error instanceof Deno.errors.NotFound) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  static async #tryClaim(
    records: BundleRecords,
    directory: string,
    claim: BundleClaim,
  ): Promise<BundleDirectory> {
    const { path, isNew } = await prepareTarget(directory);
    if (!isNew) await removeDead(records, path);
    const id = crypto.randomUUID();
    const record: BundleRecord = {
      id,
      phase: "claimed",
      path,
      isDirectoryNew: isNew,
      inode: null,
      ...claim,
      parentInode: lstatIfAny(dirname(path))?.ino ?? null,
      layers: [],
      mounts: [],
    };
    using stack = new DisposableStack();
    const claimed = stack.use(
      new BundleDirectory(records, await records.create(record), record),
    );
    try {
      if (isNew) makePrivate(path);
      using tree = openFileTree(path);
      // Only one process can make the mark. It then checks whether the directory is otherwise
      // empty.
      if (tree.list("").length > 0 || !makeMark(tree, id, path)) throw notEmpty(path);
      if (tree.list("").length > 1) {
        removeMark(tree, id);
        throw notEmpty(path);
      }
      await claimed.update({ phase: "making", inode: tree.status("")?.ino ?? null });
    } catch (error) {
      // Report the first error. The record still leads to what is left of the bundle.
      await claimed.remove().catch(() => {});
      throw error;
    }
    stack.move();
    return claimed;
  }

  /**
   * Opens a bundle to remove it; `undefined` if neither the directory nor a record of it exists.
   *
   * @throws {BundleError} If the directory is not a bundle of the store, or another process uses it.
   */
  static async open(
    records: BundleRecords,
    directory: string,
  ): Promise<BundleDirectory | undefined> {
    const path = realTarget(directory);
    const found = findRecord(records, path);
    if (found === undefined) {
      if (lstatIfAny(path) === undefined) return undefined;
      throw notBundle(path);
    }
    if (found.path !== path) throw movedFrom(path, found.path);
    using stack = new DisposableStack();
    const lock = stack.use(await lockSoon(records, found.id));
    const record = records.read(found.id);
    // Another process has just removed it.
    if (record === undefined) return await BundleDirectory.open(records, directory);
    if (lock === undefined) throw inUse(path);
    const place = findPlace(record);
    if (place !== "here" && lstatIfAny(path) !== undefined) throw notBundle(path);
    stack.move();
    return new BundleDirectory(records, lock, record, place);
  }

  /** Opens a bundle by its ID; `undefined` if another process uses it or has just removed it. */
  static async tryOpen(records: BundleRecords, id: string): Promise<BundleDirectory | undefined> {
    using stack = new DisposableStack();
    const lock = stack.use(await records.tryLock(id));
    const record = lock && records.read(id);
    if (lock === undefined || record === undefined) return undefined;
    const place = findPlace(record);
    stack.move();
    return new BundleDirectory(records, lock, record, place);
  }

  /** Directory for the state of runtimes that run the bundle. */
  get stateDirectory(): string {
    return this.#records.statePath(this.#record.id);
  }

  /** Changes the record. */
  async update(
    changes: Partial<Pick<BundleRecord, "phase" | "inode" | "layers" | "mounts">>,
  ): Promise<void> {
    const record = { ...this.#record, ...changes };
    // A bundle that is kept must be found after a power failure.
    await this.#records.write(record, isKept(record));
    this.#record = record;
  }

  /**
   * Unmounts and removes everything, and the directory itself. A directory that existed before the
   * bundle is removed only if the bundle is complete.
   */
  async remove(onWarning?: (message: string) => void): Promise<void> {
    const { removeFiles } = await import("./bundle_removal.ts");
    await removeFiles(this, onWarning);
    await this.#records.remove(this.#record.id);
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** Returns the path of a directory to claim, whose parents it creates, and whether it is new. */
async function prepareTarget(directory: string): Promise<{ path: string; isNew: boolean }> {
  const isNew = lstatIfAny(directory) === undefined;
  if (isNew) await ensureDirectory(dirname(resolve(directory)));
  const path = realTarget(directory);
  if (lstatIfAny(path)?.isDirectory === false) throw notDirectory(directory);
  return { path, isNew };
}

/** Resolves symlinks in a path whose last component need not exist. */
function realTarget(directory: string): string {
  const path = resolve(directory);
  if (lstatIfAny(path) !== undefined) return Deno.realPathSync(path);
  const parent = dirname(path);
  const name = path.slice(parent.length).replace(/^[/\\]/, "");
  const real = unlessThrown(() => Deno.realPathSync(parent), Deno.errors.NotFound);
  return real === undefined ? path : resolve(real, name);
}

/**
 * Creates a directory that other users cannot enter: an image may have set-user-ID programs, which
 * users of the host must not be able to run (CVE-2021-41103).
 */
function makePrivate(path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process has just created it and may have removed it again, which the caller notices.
    const isOther = lstatIfAny(path)?.isDirectory === false;
    if (isOther || !(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Removes a dead bundle of the store from a directory. Fails if anything else is in it. */
async function removeDead(records: BundleRecords, path: string): Promise<void> {
  let id: string | undefined;
  {
    using tree = openDirectoryIfAny(path);
    if (tree === undefined || tree.list("").length === 0) return;
    id = readMark(tree);
  }
  const known = id === undefined ? undefined : records.read(id);
  if (known === undefined || known.path !== path) throw notEmpty(path);
  using opened = await BundleDirectory.tryOpen(records, known.id);
  if (opened === undefined) throw inUse(path);
  if (opened.place !== "here") throw notEmpty(path);
  const { findCondition } = await import("./bundle_condition.ts");
  const { condition } = await findCondition(opened.record, opened.stateDirectory);
  if (condition !== "dead") {
    const advice = "Choose another name, or remove the bundle first";
    throw unsuitable(path, "bundle-exists", "there is one already", { advice });
  }
  await opened.remove();
}

/** Finds the record of a bundle by the mark in its directory, or else by the directory's path. */
function findRecord(records: BundleRecords, path: string): BundleRecord | undefined {
  using tree = openDirectoryIfAny(path);
  const id = tree && readMark(tree);
  const marked = id === undefined ? undefined : records.read(id);
  if (marked !== undefined) return marked;
  const candidates = records.list().filter((record) => record.path === path);
  return candidates.find((record) => findPlace(record) === "here") ?? candidates[0];
}

async function lockSoon(records: BundleRecords, id: string): Promise<Deno.FsFile | undefined> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const lock = await records.tryLock(id);
    if (lock !== undefined || performance.now() >= deadline) return lock;
    if (records.read(id) === undefined) return undefined;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

const OTHER_DIRECTORY = "Choose an empty or new directory";

/** Returns the error for a directory in which no bundle can be made. */
function unsuitable(
  path: string,
  code: "not-empty" | "not-a-directory" | "bundle-exists",
  problem: string,
  { advice = OTHER_DIRECTORY, cause }: { advice?: string; cause?: unknown } = {},
): BundleError {
  return new BundleError(problem, path, {
    code,
    action: `make a bundle in "${path}"`,
    advice,
    cause,
  });
}

function notEmpty(path: string): BundleError {
  return unsuitable(path, "not-empty", "it is not empty");
}

function notDirectory(path: string, cause?: unknown): BundleError {
  return unsuitable(path, "not-a-directory", "it is not a directory", { cause });
}

function inUse(path: string): BundleError {
  return new BundleError("another process is making, running or removing its bundle", path, {
    code: "busy",
    action: `use "${path}"`,
    advice: "Try again later",
  });
}

function notBundle(path: string): BundleError {
  return new BundleError("the store has no record of such a bundle", path, {
    code: "bundle-unknown",
    action: `remove "${path}"`,
    advice: "Check the path, or choose the store that the bundle was made with",
    option: "store",
  });
}

function movedFrom(path: string, old: string): BundleError {
  return new BundleError(`it is a bundle that was moved or copied from "${old}"`, path, {
    code: "bundle-moved",
    action: `remove "${path}"`,
    advice: "Move it back, or remove it by hand",
  });
}
