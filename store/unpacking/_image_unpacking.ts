import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import { ingestLayer } from "../content/ingest_layer.ts";
import type { ContentStore } from "../content/content_store.ts";
import { LayerEntries } from "../entries/layer_entries.ts";
import { boundByFiles } from "../host/file_limit.ts";
import { Semaphore } from "../../registry/tasks/semaphore.ts";
import { TaskGroup } from "../../registry/tasks/task_group.ts";
import { DecompressedTotal } from "../threads/decompressed_total.ts";
import { feedLayer } from "../threads/feed_layer.ts";
import type { SinkListener } from "../threads/layer_sink.ts";
import type { StageOptions } from "../threads/layer_staging.ts";
import type { LayerThreads } from "../threads/layer_threads.ts";
import { beginningOrder } from "./beginning_order.ts";
import type { UnpackImageOptions } from "./unpack_image_options.ts";

/** Downloads the layers of an image into the store and extracts them. */
export class ImageUnpacking {
  readonly #store: ContentStore;
  readonly #layers: readonly RemoteLayer[];
  readonly #options: UnpackImageOptions;
  readonly #limit: Semaphore;
  readonly #tasks: TaskGroup;
  readonly #total: DecompressedTotal;

  constructor(
    store: ContentStore,
    image: Pick<RemoteImage, "layers">,
    options: UnpackImageOptions,
  ) {
    const { jobs, maxBytes, signal } = options;
    this.#store = store;
    this.#layers = image.layers;
    this.#options = options;
    this.#limit = new Semaphore(boundByFiles(jobs));
    this.#tasks = new TaskGroup(signal);
    this.#total = new DecompressedTotal(maxBytes);
  }

  /**
   * Extracts the layers in parallel, each into its stage, and merges them in order.
   *
   * @param work Directory for the stages.
   * @param threads Threads that extract.
   * @returns The reports of the layers, the base first.
   */
  async stage(
    work: string,
    options: StageOptions,
    threads: Pick<LayerThreads, "openStage" | "merge">,
  ): Promise<readonly ExtractReport[]> {
    const listener: SinkListener = {
      warn: (message) => this.#options.onWarning?.(message),
      fail: (error) => this.#tasks.fail(error),
    };
    const entries = new LayerEntries(this.#store);
    return await this.#each(
      async (layer, index) => {
        const { descriptor, diffId } = layer;
        const records = await entries.plan(layer);
        const plan = { work, index, descriptor, diffId, records, options };
        const staged = await feedLayer(this.#store, layer, threads.openStage(plan, listener), {
          ...this.#callbacks,
          onPosition: (position) => this.#total.record(index, position),
        });
        return { ...plan, staged, blob: this.#store.blobPath(descriptor.digest) };
      },
      async (plan) => {
        try {
          return await threads.merge(plan, { ...listener, signal: this.#tasks.signal });
        } catch (error) {
          // A merge reads the blob by its path, so the store has not noticed yet.
          if (error instanceof DigestMismatchError) this.#store.distrust(error.expected);
          throw error;
        }
      },
    );
  }

  /**
   * Downloads the layers in parallel and passes them to `use` in order.
   *
   * @param use Called with each layer, the base first.
   * @param skips Returns whether not to download a layer, by its index.
   */
  async bring(
    use: (layer: RemoteLayer) => Promise<void>,
    skips: (index: number) => boolean,
  ): Promise<void> {
    await this.#each(async (layer, index) => {
      if (!skips(index)) await ingestLayer(this.#store, layer, this.#callbacks);
      return layer;
    }, use);
  }

  /** Runs `begin` for the layers in parallel, and `end` for them one after the other. */
  async #each<Begun, Ended>(
    begin: (layer: RemoteLayer, index: number) => Promise<Begun>,
    end: (begun: Begun) => Promise<Ended>,
  ): Promise<readonly Ended[]> {
    const tasks = this.#tasks;
    const begun = new Map<number, Promise<Begun>>();
    for (const { index, layer } of beginningOrder(this.#layers)) {
      const task = () => this.#limit.run(() => begin(layer, index), tasks.signal);
      begun.set(index, tasks.run(task));
    }
    const ended = tasks.run(async () => {
      const results: Ended[] = [];
      for (const index of this.#layers.keys()) {
        const result = await begun.get(index) as Begun;
        tasks.signal.throwIfAborted();
        results.push(await end(result));
      }
      return results;
    });
    await tasks.join();
    return await ended;
  }

  get #callbacks(): Pick<UnpackImageOptions, "onProgress" | "onLayer" | "signal"> {
    const { onProgress, onLayer } = this.#options;
    return { onProgress, onLayer, signal: this.#tasks.signal };
  }
}
