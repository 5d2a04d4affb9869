import type { LayerLimits } from "../../layer/extraction/layer_limits.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { lockLayers } from "../bundles/layer_lock.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { LayerListener } from "../content/ingest_layer.ts";
import { BundleError } from "../errors.ts";
import { defaultOwnership } from "../host/default_ownership.ts";
import { DEFAULT_JOBS } from "../host/file_limit.ts";
import type { LayerExtraction } from "../threads/overlay_extraction.ts";
import { type ExtractedLayer, findExtracted } from "./extracted_layer.ts";
import { findKernelMounter } from "./find_mounter.ts";
import type { LayerResolverOptions } from "./layer_resolver.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Options for {@linkcode prepareLayers}. */
export interface PrepareLayersOptions extends LayerListener, LayerLimits {
  /**
   * Mounter that bundles will use.
   *
   * By default, the kernel mounts.
   */
  readonly mounter?: OverlayMounter | undefined;
  /**
   * Owners of the extracted files. The bundler must use the same setting to find the layers.
   *
   * The default is `"strict"` for root, and `"squash"` in a user namespace that does not map the IDs
   * that images use.
   */
  readonly ownership?: Ownership | undefined;
  /**
   * Maximum number of layers to download and extract at once.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /** Aborts the work; complete layers stay. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /**
   * Called to extract one layer.
   *
   * By default, layers are extracted in threads if the image is large enough.
   */
  readonly extract?: LayerExtraction | undefined;
}

/**
 * Extracts the layers of an image for the overlay bundler, so that the first bundle is as fast as
 * later ones. Skips layers that are already extracted. Downloads missing layers in the same pass:
 * their bytes are verified, stored and extracted as they arrive.
 *
 * @param store The store.
 * @param image The image. Layers that are not in the store are downloaded.
 * @param options Owners of files, callbacks and an abort signal.
 * @returns The directories of the layers, the base first.
 * @throws {BundleError} If this process cannot mount overlays.
 * @throws {ExtractError} If a layer cannot be extracted.
 *
 * @example Prepare an image for its first bundle
 * ```ts no-assert
 * import { type ContentStore, type Image, OverlayBundler, prepareLayers } from "@x/oci/store";
 *
 * async function run(store: ContentStore, image: Image): Promise<void> {
 *   await prepareLayers(store, image, { onWarning: console.warn });
 *   // From now on, a bundle is only a mount.
 *   await using bundle = await new OverlayBundler(store).bundle(image, "web-1");
 *   console.log(bundle.path);
 * }
 * ```
 */
export async function prepareLayers(
  store: ContentStore,
  image: RemoteImage,
  options: PrepareLayersOptions = {},
): Promise<readonly ExtractedLayer[]> {
  const { jobs = DEFAULT_JOBS, onProgress, onLayer, onRead } = options;
  using _native = keepNativeBackend();
  const mounter = options.mounter ??
    await findKernelMounter(store.path, { onWait: store.onWait, signal: options.signal });
  if (typeof mounter === "string") {
    throw new BundleError(mounter, store.path, {
      code: "overlay",
      action: "prepare layers for overlays",
      advice: "Use the uncompressed bundler, which needs no prepared layers",
      option: "bundler",
    });
  }
  const ownership = options.ownership ?? await defaultOwnership(store.path);
  const settings = { ...options, jobs, mounter, ownership };
  using _lock = await lockLayers(store, "use", options.signal);
  const { namespace } = mounter;
  const extracted = findExtracted(store.path, image, { namespace, ownership });
  if (extracted !== undefined) return extracted;
  const { OverlayLayerResolver } = await import("./layer_resolver.ts");
  if (options.extract !== undefined) {
    return await new OverlayLayerResolver(store, settings).resolve(image);
  }
  const { LayerThreads } = await import("../threads/layer_threads.ts");
  const { threadedExtraction } = await import("./_threaded_extraction.ts");
  using threads = LayerThreads.for(image, jobs);
  const extract = threadedExtraction(store, threads, { onProgress, onLayer, onRead });
  return await new OverlayLayerResolver(store, { ...settings, extract }).resolve(image);
}

/**
 * Finds the extracted layers of an image.
 *
 * @returns The directories of the layers, the base first; `undefined` if one of them is missing.
 */
export async function findPrepared(
  store: ContentStore,
  image: RemoteImage,
  { mounter: { namespace }, ownership }:
    & Pick<LayerResolverOptions, "mounter">
    & Pick<PrepareLayersOptions, "ownership">,
): Promise<readonly ExtractedLayer[] | undefined> {
  return findExtracted(store.path, image, {
    namespace,
    ownership: ownership ?? await defaultOwnership(store.path),
  });
}
