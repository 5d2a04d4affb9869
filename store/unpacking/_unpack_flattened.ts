import { openFileTree } from "../../layer/disk/open_tree.ts";
import { extractLayer } from "../../layer/extraction/extract_layer.ts";
import { type ExtractReport, ReportBuilder } from "../../layer/extraction/extract_report.ts";
import type { ExtractHandler } from "../../layer/extraction/extractor.ts";
import { limitsArchives } from "../../layer/extraction/layer_limits.ts";
import { MemoryTree } from "../../layer/memory/memory_tree.ts";
import { childPath, cleanPath } from "../../layer/trees/clean_path.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { hasLayerIndex, readLayerIndex } from "../entries/layer_entries.ts";
import { openArchive } from "../files/archive_reader.ts";
import { addLayer } from "../files/list_layer.ts";
import { archiveTree } from "../files/tree_archive.ts";
import { type Layer, storedLayer } from "../images/image.ts";
import { limitDecompressed } from "../threads/decompressed_total.ts";
import { pickStageOptions } from "../threads/layer_staging.ts";
import { isSelected, retainPaths } from "../threads/path_selection.ts";
import { lazyFiles, type UnpackPlan, withoutRepeated } from "./_lazy_layers.ts";
import { fetchLayers } from "./_stage_layers.ts";
import type { UnpackReport } from "./unpack_image_options.ts";

/** The archive of the flattened image is generated here, so the limits for layers do not apply. */
const GENERATED_ARCHIVE = {
  maxBytes: 0,
  maxEntries: Infinity,
  maxPathBytes: Infinity,
  maxExtendedHeaderBytes: Infinity,
};

export interface UnpackResult {
  readonly report: UnpackReport;
  /** Whether a layer has an entry for the root directory. */
  readonly describesRoot: boolean;
}

/** A flattened image: the tree of all its layers, and where the files come from. */
interface FlatImage {
  readonly tree: MemoryTree;
  readonly layers: readonly Layer[];
  /** Report for all layers. */
  readonly report: ExtractReport;
  /** Total size of the selected files of all layers, including those that a later layer hides. */
  readonly selectedBytes: number;
}

/**
 * Flattens an image and unpacks it, or some of its paths, as one layer. Whiteouts then hide entries
 * of the layers below, but nothing in the directory, and a path may lead through links of any layer.
 * Reads each layer twice, first to list its entries.
 *
 * @param directory Existing directory. Only entries with the same names are replaced.
 */
export async function unpackFlattened(
  plan: UnpackPlan,
  directory: string,
): Promise<UnpackResult> {
  const { store, options, lazy } = plan;
  const { paths, signal, strip = 0, maxBytes } = options;
  const flat = await flatten(plan);
  const files = lazyFiles(flat.tree, lazy);
  const usable = withoutRepeated(plan, files);
  if (usable.size < lazy.size) return await unpackFlattened({ ...plan, lazy: usable }, directory);
  limitDecompressed(maxBytes)(0, files.bytes);
  const { entries } = flat.report;
  // Report the same number as an extraction of the selected entries of each layer.
  const bytes = paths === undefined ? flat.report.bytes : flat.selectedBytes;
  const describesRoot = strip === 0 && flat.report.describesRoot;
  const seek = (layer: Layer, offset: number) => openArchive(store, layer, offset, signal);
  const layers = flat.layers.map((layer, index) => {
    const known = lazy.get(index);
    const numbers = files.numbers.get(index) ?? [];
    return known === undefined ? layer : { contents: () => known.contents(numbers, signal) };
  });
  // `flatten()` has checked the limit for all layers together, except for the last file of a layer
  // with an index.
  const limits = { ...pickStageOptions(options), signal };
  const archive = archiveTree(flat.tree, layers, { ...limits, describesRoot, seek });
  const stageOptions = { ...pickStageOptions(options), onWarning: options.onWarning };
  using tree = openFileTree(directory, stageOptions);
  const reported = reportShares(archive, bytes, plan);
  const { skipped, skippedCount } = await extractLayer(ReadableStream.from(reported), tree, {
    ...stageOptions,
    ...GENERATED_ARCHIVE,
    // Only a directory can have a name such as `.wh.a` in it.
    whiteouts: "literal",
    handler: stripComponents(strip),
    signal,
  });
  const partial = {
    isPartial: lazy.size > 0,
    reusedBytes: lazy.values().reduce((sum, { reusedBytes }) => sum + reusedBytes, 0),
  };
  return { report: { entries, bytes, skipped, skippedCount, ...partial }, describesRoot };
}

/**
 * Reports how much of the archive has been extracted, as the same share of each layer: the archive
 * has the order of the tree, and not that of the layers.
 */
async function* reportShares<Chunk extends Uint8Array>(
  archive: AsyncIterable<Chunk>,
  bytes: number,
  { image: { layers }, options: { onRead } }: UnpackPlan,
): AsyncGenerator<Chunk> {
  let extracted = 0;
  let percent = 0;
  for await (const chunk of archive) {
    extracted += chunk.length;
    yield chunk;
    // The archive is larger than its files.
    const now = Math.min(99, Math.floor(extracted / bytes * 100));
    if (!(now > percent)) continue;
    percent = now;
    for (const { descriptor } of layers) {
      onRead?.(descriptor, Math.floor(descriptor.size * percent / 100));
    }
  }
}

/** Extracts all layers into a tree in memory, and retains the selected paths. */
async function flatten(plan: UnpackPlan): Promise<FlatImage> {
  const { store, options, lazy } = plan;
  const { paths, strip = 0 } = options;
  const countBytes = limitDecompressed(options.maxBytes);
  const tree = new MemoryTree();
  const layers: Layer[] = [];
  let selectedBytes = 0;
  const total = new ReportBuilder();
  await fetchLayers(plan, async ({ descriptor, diffId }) => {
    const layer = storedLayer(store, descriptor, diffId);
    const number = layers.length;
    const index = limitsArchives(options) ? undefined : await readLayerIndex(store, layer);
    // The contents of the files are read later.
    if (index !== undefined) countBytes(number, index.archiveBytes);
    const report = await addLayer(tree, layer, number, {
      ...options,
      known: lazy.get(number) ?? index,
      store,
      onEntry: ({ path, size }) => {
        if (paths !== undefined && isSelected(path, paths)) selectedBytes += size;
      },
      onPosition: (bytes) => countBytes(number, bytes),
    });
    total.add(report);
    layers.push(layer);
  });
  if (paths !== undefined) retainPaths(tree, paths);
  removeShallow(tree, strip);
  return { tree, layers, report: total.build(), selectedBytes };
}

/** Whether the store has an index of each layer, so that no layer is read to list its entries. */
export async function isIndexed(store: ContentStore, { layers }: RemoteImage): Promise<boolean> {
  for (const { descriptor: { digest } } of layers) {
    if (!hasLayerIndex(store, digest) || !await store.has(digest)) return false;
  }
  return true;
}

/**
 * Removes the files of a tree whose paths have no more than `count` components. Other names of a
 * file stay. Directories stay as well, since their content may have more components.
 */
function removeShallow(tree: MemoryTree, count: number, directory: string = ""): void {
  if (count === 0) return;
  for (const name of tree.list(directory)) {
    const path = childPath(directory, name);
    if (tree.status(path)?.type === "directory") removeShallow(tree, count - 1, path);
    else tree.unlink(path);
  }
}

/**
 * Creates a handler that removes leading components from the paths of entries and the targets of
 * hard links, like `tar --strip-components`. Skips entries with no components left. The targets of
 * symlinks stay.
 *
 * @returns The handler; `undefined` if `count` is 0.
 */
function stripComponents(count: number): ExtractHandler | undefined {
  if (count === 0) return undefined;
  const strip = (path: string) => cleanPath(path).split("/").slice(count).join("/");
  return (header) => {
    const path = strip(header.path);
    if (path === "") return undefined;
    if (header.type !== "hardlink") return { ...header, path };
    const linkname = strip(header.linkname);
    // Two names of a file may differ only in the removed components.
    return path === linkname ? undefined : { ...header, path, linkname };
  };
}
