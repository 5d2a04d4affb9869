import { extractLayer } from "../../layer/extraction/extract_layer.ts";
import { MemoryTree } from "../../layer/trees/memory_tree.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import { StackingExtractor } from "../../layer/extraction/stacking_extractor.ts";
import type { RemoteImage } from "../../spec/image.ts";
import { ImageUnpacking } from "./_image_unpacking.ts";
import { pickStageOptions } from "../stages/layer_stage.ts";
import { retainPaths } from "../stages/path_selection.ts";
import { archiveTree } from "../images/tree_archive.ts";
import type { ContentStore } from "../content/content_store.ts";
import { type Layer, StoredLayer } from "../images/image.ts";
import type { UnpackImageOptions, UnpackReport } from "./unpack_image_options.ts";

/** What holds for each layer does not for an archive of them all, which is made here. */
const OWN_ARCHIVE = { maxBytes: 0, maxEntries: Infinity, maxExtendedHeaderBytes: Infinity };

/** What was done for an image. */
export interface UnpackResult {
  /** For its user. */
  readonly report: UnpackReport;
  /** Whether a layer has an entry for the root directory. */
  readonly describesRoot: boolean;
}

/**
 * Unpacks what an image comes to, or a part of that, as one layer: what hides something in it
 * hides what is below in the image, not what the directory had, and what a path is may depend on
 * links of any layer. For that each layer is read twice, once for what there is.
 *
 * @param directory What has the same name as something of the image goes, and nothing else.
 * @param paths What to unpack; all of it, if absent.
 */
export async function unpackFlattened(
  store: ContentStore,
  image: RemoteImage,
  directory: string,
  paths: readonly string[] | undefined,
  options: UnpackImageOptions,
): Promise<UnpackResult> {
  const { signal, onWarning } = options;
  const stageOptions = pickStageOptions(options);
  const common = { ...(signal && { signal }), ...(onWarning && { onWarning }) };
  const flat = new MemoryTree();
  const layers: Layer[] = [];
  const extractor = new StackingExtractor(flat, {
    ...stageOptions,
    ...common,
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
  // How many bytes they have all together has been looked at already.
  const archive = archiveTree(flat, layers, {
    ...stageOptions,
    describesRoot,
    maxBytes: 0,
    ...(signal && { signal }),
  });
  using tree = openFileTree(directory, stageOptions);
  const { skipped, skippedCount } = await extractLayer(ReadableStream.from(archive), tree, {
    ...stageOptions,
    ...OWN_ARCHIVE,
    ...common,
  });
  return { report: { entries, bytes, skipped, skippedCount }, describesRoot };
}
