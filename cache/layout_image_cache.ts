import { hostPlatform } from "../registry/host_platform.ts";
import type { Digest } from "../spec/digest.ts";
import type { RemoteImage, RemoteLayer } from "../spec/image.ts";
import type { Platform } from "../spec/platform.ts";
import { bringLayer } from "../store/content/bring_layer.ts";
import type { ContentStore } from "../store/content/content_store.ts";
import { type Image, storedImage } from "../store/images/image.ts";
import { readImage } from "../store/images/read_image.ts";
import { Semaphore } from "../store/host/semaphore.ts";
import { TaskGroup } from "../store/host/task_group.ts";
import { ProgressMeter } from "./_progress_meter.ts";
import type { ImageCache, WriteImageOptions } from "./image_cache.ts";

/** Options for {@linkcode LayoutImageCache}. */
export interface LayoutImageCacheOptions {
  /**
   * Maximum number of blobs to download at once, over all images of the cache.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /**
   * Maximum number of layers of an image.
   *
   * @default {256}
   */
  readonly maxLayers?: number | undefined;
}

/**
 * Keeps images in a store.
 *
 * Layers are downloaded in parallel, the largest first, and repeated layers once. The config, the
 * manifest and the indexes follow, so that a document is written after the content that it
 * references. The caller finally records the reference with {@linkcode HashCache.writeHash}.
 *
 * @example An image that is not there
 * ```ts
 * import { LayoutImageCache } from "@x/oci/cache";
 * import { digestOf } from "@x/oci/spec";
 * import { ContentStore } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const images = new LayoutImageCache(await ContentStore.open(directory));
 *
 * assertEquals(await images.image(digestOf(new Uint8Array())), undefined);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export class LayoutImageCache implements ImageCache {
  readonly #store: ContentStore;
  readonly #jobs: Semaphore;
  readonly #maxLayers: number | undefined;

  /**
   * Creates the cache of a store.
   *
   * @throws {RangeError} If `jobs` is not a whole number above 0.
   */
  constructor(store: ContentStore, options: LayoutImageCacheOptions = {}) {
    const { jobs = 6, maxLayers } = options;
    if (!Number.isSafeInteger(jobs) || jobs < 1) {
      throw new RangeError(
        `Cannot download layers as 'jobs' must be an integer >= 1: current value is ${jobs}`,
      );
    }
    this.#store = store;
    this.#jobs = new Semaphore(jobs);
    this.#maxLayers = maxLayers;
  }

  /** Finds a complete image. Reads a few small files but no layers. */
  async image(digest: Digest, platform: Platform = hostPlatform()): Promise<Image | undefined> {
    const maxLayers = this.#maxLayers;
    return await readImage(
      this.#store,
      digest,
      platform,
      { maxLayers },
    );
  }

  /** Protects written images against pruning until their reference is recorded. */
  async hold(signal?: AbortSignal): Promise<Disposable | undefined> {
    return await this.#store.hold(signal);
  }

  /**
   * Downloads the missing and corrupt parts of an image into the store.
   *
   * @throws {DigestMismatchError} If the bytes of a layer do not match its descriptor.
   */
  async writeImage(image: RemoteImage, options: WriteImageOptions = {}): Promise<Image> {
    const { name = image.digest, signal, onProgress } = options;
    const { manifest, config, indexes } = image;
    const layers = [...new Map(image.layers.map((layer) => [layer.descriptor.digest, layer]))
      .values()].sort((a, b) => b.descriptor.size - a.descriptor.size);
    const documents = [config, manifest, ...indexes.toReversed()];
    const meter = new ProgressMeter(name, { layers, documents }, onProgress);
    await this.#writeLayers(layers, meter, signal);
    for (const { descriptor, bytes } of documents) {
      signal?.throwIfAborted();
      const { status, ...progress } = await this.#store.putBytes(descriptor, bytes, signal);
      meter.finish(descriptor, { ...progress, cached: status === "cached" });
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
    await bringLayer(this.#store, layer, {
      signal,
      onProgress: (descriptor, progress) => meter.update(descriptor, progress),
      onLayer: (descriptor, { status, ...progress }) => {
        meter.finish(descriptor, { ...progress, cached: status === "cached" });
      },
    });
  }
}
