import { extractEntries } from "../../layer/extraction/extract_entries.ts";
import { extractLayer } from "../../layer/extraction/extract_layer.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { StackingExtractor } from "../../layer/extraction/stacking_extractor.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { MemoryTree } from "../../layer/trees/memory_tree.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import { LimitError } from "../../spec/errors.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { LayerEntries } from "../entries/layer_entries.ts";
import { openArchive } from "../images/archive_reader.ts";
import { type Layer, StoredLayer } from "../images/image.ts";
import { archiveTree } from "../images/tree_archive.ts";
import { ARCHIVE_LIMITS, pickStageOptions } from "../stages/layer_staging.ts";
import { retainPaths } from "../stages/path_selection.ts";
import { ImageUnpacking } from "./_image_unpacking.ts";
import type { UnpackImageOptions, UnpackReport } from "./unpack_image_options.ts";

/** The limits of a layer do not apply to the archive of all layers, which is generated here. */
const GENERATED_ARCHIVE = { maxBytes: 0, maxEntries: Infinity, maxExtendedHeaderBytes: Infinity };

const MAX_BYTES = 21_474_836_480;

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
  const { maxBytes = MAX_BYTES, signal } = options;
  const flat = new MemoryTree();
  const layers: Layer[] = [];
  let selectedBytes = 0;
  const flatOptions = {
    ownership: "strict",
    handler: (header: TarHeader) => {
      flat.place = { layer: layers.length, offset: header.offset };
      if (paths !== undefined && isSelected(header.path, paths)) selectedBytes += header.size;
      return header;
    },
  } as const;
  const extractor = new StackingExtractor(flat, { ...stageOptions, signal, ...flatOptions });
  const indexes = new LayerEntries(store);
  const reports: ExtractReport[] = [];
  let indexedBytes = 0;
  await new ImageUnpacking(store, image, options).bring(async ({ descriptor, diffId }) => {
    const layer = new StoredLayer(store, descriptor, diffId);
    const index = ARCHIVE_LIMITS.some((name) => options[name] !== undefined)
      ? undefined
      : await indexes.read(layer);
    indexedBytes += index?.archiveBytes ?? 0;
    if (maxBytes > 0 && indexedBytes > maxBytes) {
      throw new LimitError("decompressed bytes", maxBytes, indexedBytes, "the image", "maxBytes");
    }
    reports.push(
      index === undefined
        ? await extractor.extract(layer)
        : extractEntries(index.headers(), flat, { ...flatOptions, layer: layer.digest }),
    );
    layers.push(layer);
  });
  if (paths !== undefined) retainPaths(flat, paths);
  const entries = reports.reduce((sum, { entries }) => sum + entries, 0);
  // As an extraction of the selected entries of each layer counts.
  const bytes = paths === undefined
    ? reports.reduce((sum, { bytes }) => sum + bytes, 0)
    : selectedBytes;
  const describesRoot = reports.some(({ describesRoot }) => describesRoot);
  // The limit for all layers together has been checked.
  const limits = { ...pickStageOptions(options), maxBytes: 0, signal };
  const seek = (layer: Layer, offset: number) => {
    return openArchive(store, indexes, layer, offset, { signal });
  };
  const archive = archiveTree(flat, layers, { ...limits, describesRoot, seek });
  using tree = openFileTree(directory, stageOptions);
  const { skipped, skippedCount } = await extractLayer(ReadableStream.from(archive), tree, {
    ...stageOptions,
    ...GENERATED_ARCHIVE,
    signal,
  });
  return { report: { entries, bytes, skipped, skippedCount }, describesRoot };
}

/** Whether an entry is at one of some paths, or below it. */
function isSelected(name: string, paths: readonly string[]): boolean {
  const { path } = cleanPath(name);
  return paths.some((other) => other === "" || path === other || path.startsWith(`${other}/`));
}

/** Whether an index of each layer of an image is there, so that its entries need not be read. */
export async function isIndexed(store: ContentStore, { layers }: RemoteImage): Promise<boolean> {
  const indexes = new LayerEntries(store);
  for (const { descriptor: { digest } } of layers) {
    if (!indexes.has(digest) || !await store.has(digest)) return false;
  }
  return true;
}
