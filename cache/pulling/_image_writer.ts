import { Semaphore } from "../../registry/tasks/semaphore.ts";
import { TaskGroup } from "../../registry/tasks/task_group.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import { ingestLayer } from "../../store/content/ingest_layer.ts";
import { boundByFiles } from "../../store/host/file_limit.ts";
import { type Image, storedImage } from "../../store/images/image.ts";
import { ProgressMeter } from "../progress_meter.ts";
import type { WriteImageOptions } from "./image_cache.ts";

/** Downloads images into a store. */
export class ImageWriter {
  readonly #store: ContentStore;
  readonly #jobs: Semaphore;

  /** Creates a writer that downloads up to `jobs` layers at once, over all images. */
  constructor(store: ContentStore, jobs: number | undefined) {
    this.#store = store;
    this.#jobs = new Semaphore(boundByFiles(jobs));
  }

  /** Downloads the missing and corrupt parts of an image. */
  async write(image: RemoteImage, options: WriteImageOptions): Promise<Image> {
    const { name = image.digest, signal, onProgress } = options;
    const { manifest, config, indexes } = image;
    const layers = [...new Map(image.layers.map((layer) => [layer.descriptor.digest, layer]))
      .values()].sort((a, b) => b.descriptor.size - a.descriptor.size);
    const documents = [config, manifest, ...indexes.toReversed()];
    using meter = new ProgressMeter(name, { layers, documents }, onProgress);
    await this.#writeLayers(layers, meter, signal);
    for (const { descriptor, bytes } of documents) {
      signal?.throwIfAborted();
      meter.stored(descriptor, await this.#store.putBytes(descriptor, bytes, signal));
    }
    meter.end();
    return storedImage(this.#store, image);
  }

  async #writeLayers(
    layers: readonly RemoteLayer[],
    meter: ProgressMeter,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const tasks = new TaskGroup(signal);
    // Partial downloads of the other layers stay and can be resumed.
    for (const layer of layers) tasks.run(() => this.#writeLayer(layer, meter, tasks.signal));
    await tasks.join();
  }

  async #writeLayer(
    layer: RemoteLayer,
    meter: ProgressMeter,
    signal: AbortSignal,
  ): Promise<void> {
    using _permit = await this.#jobs.acquire(signal);
    await ingestLayer(this.#store, layer, {
      signal,
      onProgress: (descriptor, progress) => meter.update(descriptor, progress),
      onLayer: (descriptor, ingestion) => meter.stored(descriptor, ingestion),
    });
  }
}
