import { MAX_COMPRESSION_RATIO, RATIO_FROM_BYTES } from "../../layer/compression/decompressor.ts";
import { limitsArchives } from "../../layer/extraction/layer_limits.ts";
import type { MemoryTree } from "../../layer/memory/memory_tree.ts";
import { TaskGroup } from "../../registry/tasks/task_group.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { boundByFiles } from "../host/file_limit.ts";
import { hasTable } from "../lazy/has_table.ts";
import type { LazyLayer } from "../lazy/lazy_layer.ts";
import { isSelected } from "../threads/path_selection.ts";
import type { UnpackImageOptions } from "./unpack_image_options.ts";

/** Share of a layer above which fetching all of it is faster. */
const WHOLE_SHARE = 0.5;

/** Layers that are fetched only in part, by their index. */
export type LazyLayers = ReadonlyMap<number, LazyLayer>;

/** An image to unpack, with all options and the layers that are fetched only in part. */
export interface UnpackPlan {
  readonly store: ContentStore;
  readonly image: RemoteImage;
  readonly options: UnpackImageOptions;
  readonly lazy: LazyLayers;
}

/**
 * Opens the layers to fetch only in part: those that have a table of contents, are not in the
 * store, and need less than half of their bytes for the selected paths.
 */
export async function openLazyLayers(
  store: ContentStore,
  { layers }: RemoteImage,
  options: UnpackImageOptions,
): Promise<LazyLayers> {
  const { paths, partial = true, jobs, onPartialLayer } = options;
  const opened = new Map<number, LazyLayer>();
  if (paths === undefined || !partial || limitsArchives(options)) return opened;
  const candidates = [...layers.entries()].filter(([, layer]) => hasTable(layer));
  if (candidates.length === 0) return opened;
  const { LazyLayer } = await import("../lazy/lazy_layer.ts");
  const tasks = new TaskGroup(options.signal);
  const { signal } = tasks;
  await tasks.each(candidates, boundByFiles(jobs), async ([index, layer]) => {
    const { descriptor } = layer;
    if (await store.has(descriptor)) return;
    const lazy = await LazyLayer.open(layer, store, { ...options, signal });
    if (lazy === undefined) return;
    const selected = lazy.headers().filter(({ path }) => isSelected(path, paths));
    const bytes = lazy.bytesOf([...selected].map(({ offset }) => offset));
    if (bytes > descriptor.size * WHOLE_SHARE) return;
    opened.set(index, lazy);
    onPartialLayer?.(descriptor);
  });
  return opened;
}

/** Files of a tree whose contents are in lazy layers. */
export interface LazyFiles {
  /** Numbers of the files' entries in their table, by the index of the layer. */
  readonly numbers: ReadonlyMap<number, readonly number[]>;
  /** Number of bytes to decompress to read them. */
  readonly bytes: number;
}

/** Finds the files of a tree whose contents are in lazy layers. */
export function lazyFiles(tree: MemoryTree, lazy: LazyLayers): LazyFiles {
  const numbers = new Map([...lazy.keys()].map((index): [number, number[]] => [index, []]));
  for (const { layer, offset } of tree.contents()) {
    const own = numbers.get(layer);
    // Hard links to a file are consecutive, and its content is read once.
    if (own === undefined || own.at(-1) === offset) continue;
    own.push(offset);
  }
  const bytes = [...lazy].reduce((sum, [index, known]) => {
    return sum + decompressedBytes(known, numbers.get(index));
  }, 0);
  return { numbers, bytes };
}

function decompressedBytes(layer: LazyLayer, numbers: readonly number[] = []): number {
  return numbers.reduce((sum, number) => sum + layer.decompressedBytes(number), 0);
}

/**
 * Leaves out layers whose tables list the same bytes repeatedly: reading the parts would take more
 * bytes than the whole layer, or decompress more than a layer of that size may contain.
 */
export function withoutRepeated(
  { image, options, lazy }: UnpackPlan,
  { numbers }: LazyFiles,
): LazyLayers {
  const usable = [...lazy].filter(([index, known]) => {
    const { digest = "", size = 0 } = image.layers[index]?.descriptor ?? {};
    const own = numbers.get(index) ?? [];
    const maxBytes = Math.max(RATIO_FROM_BYTES, MAX_COMPRESSION_RATIO * size);
    if (known.bytesOf(own) <= size && decompressedBytes(known, own) <= maxBytes) return true;
    options.onWarning?.(
      `Reading the whole layer ${digest} because the files in its table of contents overlap`,
    );
    return false;
  });
  return new Map(usable);
}
