import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { Semaphore } from "../../registry/tasks/semaphore.ts";
import { TaskGroup } from "../../registry/tasks/task_group.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { ingestLayer } from "../content/ingest_layer.ts";
import { planRecords } from "../entries/layer_entries.ts";
import { boundByFiles } from "../host/file_limit.ts";
import { limitDecompressed } from "../threads/decompressed_total.ts";
import { feedLayer } from "../threads/feed_layer.ts";
import type { SinkListener } from "../threads/layer_sink.ts";
import type { StageOptions } from "../threads/layer_staging.ts";
import type { LayerThreads } from "../threads/layer_threads.ts";
import type { UnpackPlan } from "./_lazy_layers.ts";
import { beginningOrder } from "./beginning_order.ts";
import type { UnpackImageOptions } from "./unpack_image_options.ts";

type Layers = Pick<RemoteImage, "layers">;

/** How and where to stage layers. */
export interface Staging {
  readonly work: string;
  readonly options: StageOptions;
  readonly threads: Pick<LayerThreads, "openStage" | "merge">;
}

/**
 * Downloads the layers of an image and extracts them in parallel, each into its stage. Merges them in
 * order.
 *
 * @returns The reports of the layers, the base first.
 */
export async function stageLayers(
  store: ContentStore,
  { layers }: Layers,
  { work, options: stageOptions, threads }: Staging,
  options: UnpackImageOptions,
): Promise<readonly ExtractReport[]> {
  const { maxBytes, onLayer, onProgress, onRead } = options;
  const tasks = new TaskGroup(options.signal);
  const { signal } = tasks;
  const listener: SinkListener = {
    warn: (message) => options.onWarning?.(message),
    fail: (error) => tasks.fail(error),
  };
  const countBytes = limitDecompressed(maxBytes);
  return await eachLayer(
    layers,
    tasks,
    options,
    async (layer, index) => {
      const { descriptor, diffId } = layer;
      const records = await planRecords(store, layer);
      const plan = { work, index, descriptor, diffId, records, options: stageOptions };
      const staged = await feedLayer(store, layer, threads.openStage(plan, listener), {
        onLayer,
        onProgress,
        onRead,
        signal,
        onPosition: (position) => countBytes(index, position),
      });
      return { ...plan, staged, blob: store.blobPath(descriptor.digest) };
    },
    async (plan) => {
      try {
        return await threads.merge(plan, { ...listener, signal });
      } catch (error) {
        // A merge reads the blob by its path, so the store has not noticed yet.
        if (error instanceof DigestMismatchError) store.distrust(error.expected);
        throw error;
      }
    },
  );
}

/**
 * Downloads the layers of an image in parallel, except for the lazy ones, and passes all of them to
 * `use` in order.
 *
 * @param use Called with each layer, the base first.
 */
export async function fetchLayers(
  { store, image: { layers }, options, lazy }: UnpackPlan,
  use: (layer: RemoteLayer) => Promise<void>,
): Promise<void> {
  const { onLayer, onProgress } = options;
  const tasks = new TaskGroup(options.signal);
  const { signal } = tasks;
  await eachLayer(layers, tasks, options, async (layer, index) => {
    if (!lazy.has(index)) await ingestLayer(store, layer, { onLayer, onProgress, signal });
    return layer;
  }, use);
}

/** Runs `begin` for the layers in parallel, and `end` for them one after the other. */
async function eachLayer<Begun, Ended>(
  layers: readonly RemoteLayer[],
  tasks: TaskGroup,
  { jobs }: Pick<UnpackImageOptions, "jobs">,
  begin: (layer: RemoteLayer, index: number) => Promise<Begun>,
  end: (begun: Begun) => Promise<Ended>,
): Promise<readonly Ended[]> {
  const limit = new Semaphore(boundByFiles(jobs));
  const begun = new Map<number, Promise<Begun>>();
  for (const { index, layer } of beginningOrder(layers)) {
    const task = () => limit.run(() => begin(layer, index), tasks.signal);
    begun.set(index, tasks.run(task));
  }
  const ended = tasks.run(async () => {
    const results: Ended[] = [];
    for (const index of layers.keys()) {
      const result = await begun.get(index) as Begun;
      tasks.signal.throwIfAborted();
      results.push(await end(result));
    }
    return results;
  });
  await tasks.join();
  return await ended;
}
