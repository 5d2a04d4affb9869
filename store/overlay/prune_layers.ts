import { openFileTree } from "../../layer/disk/open_tree.ts";
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { childPath } from "../../layer/trees/clean_path.ts";
import type { FileTree } from "../../layer/trees/file_tree.ts";
import { type Digest, DIGEST_ALGORITHMS } from "../../spec/digest.ts";
import { checkLimits, unlessThrown } from "../../spec/error_facts.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import { resolve } from "../../spec/paths.ts";
import { digestPath } from "../../spec/verifier.ts";
import { BundleRecords } from "../bundles/bundle_records.ts";
import { lockLayers } from "../bundles/layer_lock.ts";
import type { ContentStore } from "../content/content_store.ts";
import { unlessUnwritable } from "../host/file_lock.ts";
import { fileAge, namesIn } from "../host/files.ts";
import { discardTree } from "../host/unmount.ts";
import { chainIdsOf, recordedDigest } from "./extracted_layer.ts";

/** Options for {@linkcode pruneLayers}. */
export interface PruneLayersOptions {
  /**
   * Whether to report only what would be removed.
   *
   * @default {false}
   */
  readonly dryRun?: boolean | undefined;
  /**
   * Minimum time since the last change of a layer to remove, in milliseconds.
   *
   * @default {0}
   */
  readonly olderThanMs?: number | undefined;
  /** Aborts the pruning between two removals. */
  readonly signal?: AbortSignal | undefined;
}

/** Result of {@linkcode pruneLayers}. */
export interface LayerPruning {
  /** Paths of the removed directories and files. */
  readonly removed: readonly string[];
  /** Total size of the removed files in bytes. */
  readonly bytes: number;
  /** Path and size in bytes of each removed directory and file. */
  readonly items: readonly { readonly path: string; readonly bytes: number }[];
}

/** Name of a layer's directory or record. */
const NAME = /^([a-z2-7]{8})(\.json)?$/;

/**
 * Removes extracted and uncompressed layers that no image and no bundle needs, and leftovers of
 * killed processes. Waits for processes that are looking up layers. Removed layers are extracted
 * again when they are needed.
 *
 * @param store The store.
 * @param images Images whose layers are kept.
 * @param options Age limit, dry run and an abort signal.
 * @returns The removed paths and their sizes.
 *
 * @example Remove the layers that a bundle has left in the store
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, pruneLayers, UncompressedBundler } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const store = await ContentStore.open("./store");
 * const bundle = await new UncompressedBundler(store).bundle(image, "web-1");
 * await bundle[Symbol.asyncDispose]();
 *
 * const { removed } = await pruneLayers(store, []);
 *
 * assertEquals(removed.length, 1);
 * ```
 */
export async function pruneLayers(
  store: ContentStore,
  images: Iterable<{ readonly layers: readonly Pick<RemoteLayer, "diffId">[] }>,
  options: PruneLayersOptions = {},
): Promise<LayerPruning> {
  const { dryRun = false, olderThanMs = 0, signal } = options;
  checkLimits("prune layers", { olderThanMs });
  const root = resolve(store.path);
  const lock = () => lockLayers(store, "remove", signal);
  using _lock = dryRun ? await unlessUnwritable(lock) : await lock();
  const kept = new Set<Digest>();
  for (const { layers } of images) {
    const diffIds = layers.map(({ diffId }) => diffId);
    for (const digest of [...diffIds, ...chainIdsOf(diffIds)]) kept.add(digest);
  }
  const items: { path: string; bytes: number }[] = [];
  // Paths in the mount table contain no symlinks.
  const real = await Deno.realPath(root);
  const candidates = [...unusedLayers(root, kept), ...unusedTarballs(root, kept)];
  using _native = candidates.length > 0 ? keepNativeBackend() : undefined;
  for (const path of candidates) {
    signal?.throwIfAborted();
    const { mtime, isDirectory, size } = await Deno.lstat(path);
    if (fileAge(mtime) < olderThanMs) continue;
    items.push({ path, bytes: isDirectory ? sizeOfTree(path) : size });
    if (dryRun) continue;
    // Drafts left behind by a killed process may still be mounted.
    const realPath = `${real}${path.slice(root.length)}`;
    await discardTree(realPath, [realPath]);
  }
  const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
  return { removed: items.map(({ path }) => path), bytes, items };
}

/** Returns unneeded extracted layers, each before its record, and drafts, all of which are stale. */
function unusedLayers(root: string, kept: ReadonlySet<Digest>): readonly string[] {
  const used = BundleRecords.open(root).usedLayers();
  const directory = `${root}/chains`;
  const unused: string[] = [];
  for (const file of namesIn(directory).toSorted()) {
    const name = NAME.exec(file)?.[1];
    if (name !== undefined && used.has(name)) continue;
    const digest = name === undefined ? undefined : recordedDigest(`${directory}/${name}`);
    if (digest === undefined || !kept.has(digest)) unused.push(`${directory}/${file}`);
  }
  return unused;
}

function unusedTarballs(root: string, kept: ReadonlySet<Digest>): readonly string[] {
  const files = new Set([...kept].map(digestPath));
  const unused: string[] = [];
  for (const algorithm of DIGEST_ALGORITHMS) {
    for (const name of namesIn(`${root}/tarballs/${algorithm}`)) {
      if (!files.has(`${algorithm}/${name}`)) unused.push(`${root}/tarballs/${algorithm}/${name}`);
    }
  }
  return unused;
}

/** Returns the size of an extracted layer, whose paths may be too long for Deno or not UTF-8. */
function sizeOfTree(path: string): number {
  using tree = openFileTree(path);
  return sizeOfFiles(tree, "");
}

/** Returns the total size of the files in a directory, as far as its modes allow access. */
function sizeOfFiles(tree: FileTree, directory: string): number {
  let sum = 0;
  const list = () => tree.entries(directory);
  for (const { name, isDirectory } of unlessThrown(list, Deno.errors.PermissionDenied) ?? []) {
    const path = childPath(directory, name);
    sum += isDirectory ? sizeOfFiles(tree, path) : tree.status(path)?.size ?? 0;
  }
  return sum;
}
