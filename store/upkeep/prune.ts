import { WorkTurn } from "../../layer/trees/work_turn.ts";
import { formatRepository } from "../../registry/reference.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { checkIntegers, checkLimits } from "../../spec/error_facts.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { removeDeadBundles } from "../bundles/remove_dead_bundles.ts";
import type { ContentStore } from "../content/content_store.ts";
import { heldDigests, lockPruning } from "../content/hold.ts";
import { LayoutIndex, parseStoredName, type StoredReference } from "../content/layout_index.ts";
import { listEntryFiles } from "../entries/entry_files.ts";
import { StoreError } from "../errors.ts";
import { tryLockFile, unlessUnwritable } from "../host/file_lock.ts";
import { fileAge, lstatIfAny, namesIn, removeIfAny } from "../host/files.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { pruneLayers } from "../overlay/prune_layers.ts";
import { pruneUnpackRecords } from "../unpacking/prune_unpack_records.ts";
import { blobsIn } from "./_blobs_in.ts";
import { findReachable, type Reachable } from "./_reachable.ts";

/** Options for {@linkcode prune}. */
export interface PruneOptions {
  /**
   * Minimum age of removed content, in milliseconds.
   *
   * The default is 0, and an hour for incomplete downloads.
   */
  readonly olderThanMs?: number | undefined;
  /**
   * Number of names to keep in each repository, the most recently stored ones. Others are removed if
   * they are older than `olderThanMs`.
   *
   * By default, all names.
   */
  readonly keepLast?: number | undefined;
  /**
   * Whether to report only what would be removed. Needs no permission to write to the store.
   *
   * @default {false}
   */
  readonly dryRun?: boolean | undefined;
  /** Aborts the pruning between two removals. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem, such as a bundle whose container still runs. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** An item that {@linkcode prune} removed. */
export interface PrunedItem {
  /** Kind of the item. */
  readonly kind: "name" | "blob" | "download" | "layer" | "bundle";
  /** Reference, digest or path of the item. */
  readonly name: string;
  /** Size of the item in bytes. */
  readonly bytes: number;
}

/** Result of {@linkcode prune}. */
export interface Pruning {
  /** Everything that was removed. */
  readonly removed: readonly PrunedItem[];
  /** Total size of the removed items in bytes. */
  readonly bytes: number;
}

/** Time for which an incomplete download is kept, so that it can be resumed. */
const DOWNLOAD_GRACE_MS = 3_600_000;

/**
 * Removes unused content from a store: unreferenced blobs, incomplete downloads, extracted and
 * decompressed layers, and bundles of killed processes.
 *
 * A blob stays if a name leads to it, through indexes and manifests or through the `subject` of a
 * document that is itself in `index.json`, or if a running command holds it. So does the content of
 * an entry of `index.json` that is not a valid descriptor, because other tools may read it. Other
 * commands can run at the same time. They wait only while blobs are removed.
 *
 * @param store The store.
 * @param options Age, number of names to keep, and whether to remove anything.
 * @returns What was removed.
 * @throws {StoreError} If a document that a name leads to is damaged, since its references are then
 * unknown.
 * @throws {RangeError} If `olderThanMs` is not a number >= 0, or `keepLast` not an integer >= 0.
 *
 * @example Free what no name leads to
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, prune } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * await pull("alpine:3.20", { store: "./store" });
 * const store = await ContentStore.open("./store");
 * await store.untag((await store.references()).map(({ name }) => name));
 *
 * const { removed } = await prune(store);
 *
 * // The index, a manifest, a config and a layer.
 * assertEquals(removed.filter(({ kind }) => kind === "blob").length, 4);
 * ```
 */
export async function prune(store: ContentStore, options: PruneOptions = {}): Promise<Pruning> {
  const { olderThanMs = 0, keepLast, dryRun = false, signal, onWarning } = options;
  checkLimits("prune", { olderThanMs });
  checkIntegers("prune", { keepLast }, 0);
  // A missing store has nothing to remove, and must not be created.
  if (lstatIfAny(`${store.path}/index.json`) === undefined) return { removed: [], bytes: 0 };
  const removed: PrunedItem[] = [];
  const bundles = await removeDeadBundles(store.path, { dryRun, signal });
  for (const name of bundles.removed) removed.push({ kind: "bundle", name, bytes: 0 });
  for (const { path, container, reason } of bundles.left) {
    const why = reason ?? `its container ${container ?? ""} may be running`;
    onWarning?.(`Cannot remove the bundle "${path}": ${why}`);
  }
  const images = await pruneContent(store, options, removed);
  if (!dryRun) await pruneUnpackRecords(store.path);
  const layers = await pruneLayers(store, images, { dryRun, olderThanMs, signal });
  for (const { path, bytes } of layers.items) removed.push({ kind: "layer", name: path, bytes });
  return { removed, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}

async function pruneContent(
  store: ContentStore,
  options: PruneOptions,
  removed: PrunedItem[],
): Promise<Reachable["images"]> {
  const { olderThanMs = 0, dryRun = false, signal } = options;
  const { onWait } = store;
  const lock = async () => {
    // A layout that another tool has written has no such directory.
    await ensureStoreFolder(store.path, "locks");
    return await lockPruning(store.path, "prune", { signal, onWait });
  };
  using _lock = dryRun ? await unlessUnwritable(lock) : await lock();
  const held = await heldDigests(store.path, { dryRun });
  const isOld = (path: string, age = olderThanMs) => fileAge(lstatIfAny(path)?.mtime) >= age;
  // Blobs with an unsupported digest algorithm are not stored, so they have no age.
  const oldBlobs = new Map<Digest, boolean>();
  const isOldBlob = ({ digest }: Descriptor) => {
    return !isDigest(digest) ||
      oldBlobs.getOrInsertComputed(digest, () => isOld(store.blobPath(digest)));
  };
  // A new object, which has not cached anything from before the lock was held.
  const index = new LayoutIndex(store.path, { onWait });
  const references = await index.references();
  const surplus = (await surplusNames(store, references, options)).filter(({ descriptor }) => {
    return isOldBlob(descriptor);
  });
  const unwanted = new Set(surplus.map(({ name }) => name));
  const reachable = await findNeeded(store, index, { unwanted, held, isOldBlob }, options);
  for (const { name } of surplus) removed.push({ kind: "name", name, bytes: 0 });
  if (!dryRun) {
    await store.untag([...unwanted], signal);
    await index.dropEntries((digest) => !reachable.descriptors.has(digest), signal);
  }
  const isKept = (digest: Digest) => reachable.descriptors.has(digest) || held.has(digest);
  await pruneBlobs(store, options, (digest, path) => !isKept(digest) && isOld(path), removed);
  await pruneEntries(store, options, removed);
  await pruneDownloads(store, options, isOld, removed);
  return reachable.images;
}

/** What else decides which content is needed. */
interface NeedRules {
  /** Names that are removed. */
  readonly unwanted: ReadonlySet<string>;
  /** Blobs that running commands hold. */
  readonly held: ReadonlySet<Digest>;
  /** Whether a blob is old enough to be removed. */
  readonly isOldBlob: (blob: Descriptor) => boolean;
}

/** Finds the content that names, recent entries of the index, and running commands need. */
async function findNeeded(
  store: ContentStore,
  index: LayoutIndex,
  { unwanted, held, isOldBlob }: NeedRules,
  { signal, onWarning }: PruneOptions,
): Promise<Reachable> {
  const references = await index.references();
  const named = references.filter(({ name }) => !unwanted.has(name));
  const namedDigests = new Set(references.map(({ descriptor }) => descriptor.digest));
  const entries = (await index.descriptors()).filter(({ digest }) => !namedDigests.has(digest))
    .map(asDocument);
  const unreadable = (await index.entries()).flatMap(({ digests = [] }) => digests);
  for (const digest of unreadable) {
    onWarning?.(`Keeping ${digest}: "${store.path}/index.json" has an invalid entry for it`);
  }
  return await findReachable(
    store,
    [
      // Visited last, because they have no size. Damage is an error if a name leads to the document.
      ...heldDocuments(held),
      ...unreadableDocuments(store, unreadable),
      ...named.map(({ descriptor }) => asDocument(descriptor)),
      ...entries.filter((entry) => held.has(entry.digest) || !isOldBlob(entry)),
    ],
    { candidates: entries, onDamaged: refuseDamaged, signal },
  );
}

async function pruneBlobs(
  store: ContentStore,
  { dryRun = false, signal }: PruneOptions,
  isUnused: (digest: Digest, path: string) => boolean,
  removed: PrunedItem[],
): Promise<void> {
  const turn = new WorkTurn();
  for (const digest of await blobsIn(store.path, signal)) {
    signal?.throwIfAborted();
    if (turn.isOver()) await turn.next(signal);
    const path = store.blobPath(digest);
    const info = lstatIfAny(path);
    if (info === undefined || info.isDirectory || !isUnused(digest, path)) continue;
    removed.push({ kind: "blob", name: digest, bytes: info.size });
    if (dryRun) continue;
    // First, so that a killed prune leaves no mark without a blob.
    store.distrust(digest);
    await Deno.remove(path);
  }
}

/** Removes the indexes of layers that are no longer in the store. */
async function pruneEntries(
  store: ContentStore,
  { dryRun = false, signal }: PruneOptions,
  removed: PrunedItem[],
): Promise<void> {
  const blobs = new Set(removed.map(({ name }) => name));
  for (const { path, digest, bytes } of listEntryFiles(store)) {
    signal?.throwIfAborted();
    if (digest !== undefined && !blobs.has(digest) && await store.has(digest)) continue;
    removed.push({ kind: "layer", name: path, bytes });
    if (!dryRun) removeIfAny(path);
  }
}

/** Returns the names beyond the most recent ones of their repository. */
async function surplusNames(
  store: ContentStore,
  references: readonly StoredReference[],
  { keepLast, signal }: PruneOptions,
): Promise<readonly StoredReference[]> {
  if (keepLast === undefined) return [];
  // Very many names may have the same blob.
  const times = new Map<Digest, number>();
  const timeOf = ({ descriptor: { digest } }: StoredReference) => {
    return times.getOrInsertComputed(digest, () => {
      const info = isDigest(digest) ? lstatIfAny(store.blobPath(digest)) : undefined;
      return info?.mtime?.getTime() ?? 0;
    });
  };
  const groups = new Map<string, StoredReference[]>();
  const turn = new WorkTurn();
  for (const reference of references) {
    if (turn.isOver()) await turn.next(signal);
    groups.getOrInsertComputed(repositoryOf(reference.name), () => []).push(reference);
  }
  return [...groups.values()].flatMap((group) => {
    // The index lists names in the order in which they were stored, so later ones are newer.
    const newest = group.toReversed().sort((a, b) => timeOf(b) - timeOf(a));
    return newest.slice(keepLast);
  });
}

/**
 * Returns the repository of a name. A name from another tool that is not a reference counts as a
 * separate repository.
 */
function repositoryOf(name: string): string {
  const reference = parseStoredName(name);
  return reference === undefined ? name : formatRepository(reference);
}

/** Returns the documents that running commands hold. Their references are needed as well. */
function heldDocuments(held: ReadonlySet<Digest>): readonly Descriptor[] {
  return [...held].map((digest) => ({ digest, size: 0, mediaType: "application/json" }));
}

/** Returns an entry of the index as a document, although its media type may be a wrong one. */
function asDocument(entry: Descriptor): Descriptor {
  return isDocumentMediaType(entry.mediaType) ? entry : { ...entry, mediaType: "application/json" };
}

/** Returns the content of entries that only other tools can read, with its actual size. */
function unreadableDocuments(
  store: ContentStore,
  digests: readonly Digest[],
): readonly Descriptor[] {
  return digests.map((digest) => {
    const size = lstatIfAny(store.blobPath(digest))?.size ?? 0;
    return { digest, size, mediaType: "application/json" };
  });
}

function refuseDamaged(digest: Digest, cause: unknown): never {
  throw new StoreError("it is damaged, so the content that it refers to is unknown", digest, {
    code: "store-damaged",
    action: `prune the content that document ${digest} does not refer to`,
    advice: "Repair the store first",
    cause,
  });
}

/** Removes incomplete downloads that have not changed recently. */
async function pruneDownloads(
  store: ContentStore,
  { olderThanMs = DOWNLOAD_GRACE_MS, dryRun = false, signal }: PruneOptions,
  isOld: (path: string, age: number) => boolean,
  removed: PrunedItem[],
): Promise<void> {
  const directory = `${store.path}/ingest`;
  for (const name of namesIn(directory).toSorted()) {
    signal?.throwIfAborted();
    const path = `${directory}/${name}`;
    const info = lstatIfAny(path);
    if (info === undefined || info.isDirectory || !isOld(path, olderThanMs)) continue;
    if (!info.isFile || isStrayRecord(path)) {
      if (!dryRun) await Deno.remove(path);
      continue;
    }
    if (!name.endsWith(".part")) continue;
    const tryLock = () => tryLockFile(path);
    using lock = dryRun ? await unlessUnwritable(tryLock) : await tryLock();
    if (lock === undefined) continue;
    const bytes = Math.min(info.size, (info.blocks ?? Infinity) * 512);
    removed.push({ kind: "download", name: path, bytes });
    if (dryRun) continue;
    await Deno.remove(path);
    removeIfAny(`${path}.ranges`);
  }
}

/** Whether a file belongs to a part file that no longer exists. */
function isStrayRecord(path: string): boolean {
  const part = path.replace(/\.part\..*$/, ".part");
  return part !== path && lstatIfAny(part) === undefined;
}
