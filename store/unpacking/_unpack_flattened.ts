import { extractLayer } from "../../layer/extraction/extract_layer.ts";
import { StackingExtractor } from "../../layer/extraction/stacking_extractor.ts";
import { MemoryTree } from "../../layer/trees/memory_tree.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import type { RemoteImage } from "../../spec/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { type Layer, StoredLayer } from "../images/image.ts";
import { archiveTree } from "../images/tree_archive.ts";
import { pickStageOptions } from "../stages/layer_staging.ts";
import { retainPaths } from "../stages/path_selection.ts";
import { ImageUnpacking } from "./_image_unpacking.ts";
import type { UnpackImageOptions, UnpackReport } from "./unpack_image_options.ts";

/** The limits of a layer do not apply to the archive of all layers, which is generated here. */
const GENERATED_ARCHIVE = { maxBytes: 0, maxEntries: Infinity, maxExtendedHeaderBytes: Infinity };

/** Result of an extraction of all layers. */
export interface UnpackResult {
  readonly report: UnpackReport;
  /** Whether a layer has an entry for the root directory. */
  readonly describesRoot: boolean;
}

/**
 * Unpacks the flattened image, or some of its paths, as one layer. Whiteouts then hide entries of
 * the layers below, but nothing in the directory, and a path may lead through links of any layer.
 * Reads each layer twice, first to list its entries.
 *
 * @param directory Existing directory. Only entries with the same names are replaced.
 * @param paths Paths to unpack; `undefined` for the whole image.
 */
export async function unpackFlattened(
  store: ContentStore,
  image: RemoteImage,
  directory: string,
  paths: readonly string[] | undefined,
  options: UnpackImageOptions,
): Promise<UnpackResult> {
  const stageOptions = { ...pickStageOptions(options), onWarning: options.onWarning };
  const { signal } = options;
  const flat = new MemoryTree();
  const layers: Layer[] = [];
  const extractor = new StackingExtractor(flat, {
    ...stageOptions,
    signal,
    ownership: "strict",
    handler: (header) => {
      flat.place = { layer: layers.length, offset: header.offset };
      return header;
    },
  });
  await new ImageUnpacking(store, image, options).bring(async ({ descriptor, diffId }) => {
    const layer = new StoredLayer(store, descriptor, diffId);
    await extractor.extract(layer);
    layers.push(layer);
  });
  if (paths !== undefined) retainPaths(flat, paths);
  const { entries, bytes, describesRoot } = extractor.report();
  // The limit for all layers together has been checked.
  const limits = { ...pickStageOptions(options), maxBytes: 0, signal };
  const archive = archiveTree(flat, layers, { ...limits, describesRoot });
  using tree = openFileTree(directory, stageOptions);
  const { skipped, skippedCount } = await extractLayer(ReadableStream.from(archive), tree, {
    ...stageOptions,
    ...GENERATED_ARCHIVE,
    signal,
  });
  return { report: { entries, bytes, skipped, skippedCount }, describesRoot };
}
