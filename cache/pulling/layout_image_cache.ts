import { hostPlatform } from "../../registry/host_platform.ts";
import type { FirstRead, UpcomingLayer } from "../../registry/image_client.ts";
import type { Digest } from "../../spec/digest.ts";
import { checkIntegers, checkLimits } from "../../spec/error_facts.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { Platform } from "../../spec/platform.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import type { Hold } from "../../store/content/hold.ts";
import type { Image } from "../../store/images/image.ts";
import type { ImageWriter } from "./_image_writer.ts";
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
 * @example Look up an image in a store
 * ```ts
 * import { LayoutImageCache, pull } from "@x/oci";
 * import { ContentStore } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const { digest } = await pull("alpine:3.20", { store: "./store", platform: "linux/arm64" });
 *
 * const images = new LayoutImageCache(await ContentStore.open("./store"));
 * const image = await images.image(digest, { os: "linux", architecture: "arm64" });
 *
 * assertEquals(image?.config.value.config.Cmd, ["/bin/sh"]);
 * ```
 */
export class LayoutImageCache implements ImageCache {
  readonly #store: ContentStore;
  readonly #jobs: number | undefined;
  readonly #maxLayers: number | undefined;
  #writer: ImageWriter | undefined;

  /**
   * Creates the cache of a store.
   *
   * @throws {RangeError} If `jobs` is not an integer above 0, or `maxLayers` not a number >= 0.
   */
  constructor(store: ContentStore, options: LayoutImageCacheOptions = {}) {
    const { jobs, maxLayers } = options;
    checkIntegers("download layers", { jobs }, 1);
    checkLimits("read an image", { maxLayers });
    this.#store = store;
    this.#jobs = jobs;
    this.#maxLayers = maxLayers;
  }

  /**
   * Finds a complete image for a platform, by default Linux on the CPU of the host. Reads a few small
   * files but no layers.
   */
  async image(digest: Digest, platform: Platform = hostPlatform()): Promise<Image | undefined> {
    const { readImage } = await import("../../store/images/read_image.ts");
    return await readImage(this.#store, digest, platform, { maxLayers: this.#maxLayers });
  }

  /** Finds a complete image for another platform; see {@linkcode ImageCache.storedImage}. */
  async storedImage(digest: Digest): Promise<Image | undefined> {
    const { readStoredImage } = await import("../../store/moving/choose_stored.ts");
    return await readStoredImage(this.#store, digest, { maxLayers: this.#maxLayers });
  }

  /** Loads the code that writes images. */
  expectImage(): void {
    // An error is reported when the code is needed.
    Promise.all([
      this.#loadWriter(),
      import("../../store/downloads/ingest.ts"),
      import("../../store/content/hold.ts"),
    ]).catch(() => {});
  }

  /** Returns the first reads of the largest missing layers. */
  async firstReads(layers: readonly UpcomingLayer[]): Promise<readonly FirstRead[]> {
    const { firstReads } = await import("../../store/downloads/first_reads.ts");
    const order = layers.toSorted((a, b) => b.descriptor.size - a.descriptor.size);
    return await firstReads(this.#store, order, this.#jobs);
  }

  /** Protects written images against pruning until their reference is recorded. */
  async hold(signal?: AbortSignal): Promise<Hold | undefined> {
    return await this.#store.hold(signal);
  }

  /**
   * Downloads the missing and corrupt parts of an image into the store.
   *
   * @throws {DigestMismatchError} If the bytes of a layer do not match its descriptor.
   */
  async writeImage(image: RemoteImage, options: WriteImageOptions = {}): Promise<Image> {
    return await (await this.#loadWriter()).write(image, options);
  }

  async #loadWriter(): Promise<ImageWriter> {
    const { ImageWriter } = await import("./_image_writer.ts");
    return this.#writer ??= new ImageWriter(this.#store, this.#jobs);
  }
}
