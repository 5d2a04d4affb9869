import { keepNativeBackend } from "../../layer/linux/native_backend.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import type { RemoteImage } from "../../spec/image.ts";
import { defaultOwnership } from "../unpacking/default_ownership.ts";
import { lockLayers } from "../bundles/layer_lock.ts";
import { LayerThreads } from "../stages/layer_threads.ts";
import { BundleError } from "../errors.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { LayerListener } from "../content/layer_listener.ts";
import { threadedExtraction } from "./_threaded_extraction.ts";
import type { LayerExtraction } from "../stages/overlay_extraction.ts";
import type { ExtractedLayer } from "./extracted_layer.ts";
import { OverlayLayerResolver } from "./layer_resolver.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";
import { findKernelMounter } from "./supported.ts";

const JOBS = 6;

/** Options for {@linkcode prepareLayers}. */
export interface PrepareLayersOptions extends LayerListener {
  /**
   * What the layers will be mounted with.
   *
   * @default The kernel.
   */
  readonly mounter?: OverlayMounter | undefined;
  /**
   * To whom files belong; a bundler that is to use the layers must be told the same.
   *
   * @default `"strict"` for root, `"squash"` in a user namespace that does not map the IDs that
   * images use.
   */
  readonly ownership?: Ownership | undefined;
  /**
   * How many layers are brought and extracted at once.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /** Stops the work; layers that are complete stay. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /**
   * Extracts one layer.
   *
   * @default In threads, for images that are large enough.
   */
  readonly extract?: LayerExtraction | undefined;
}

/**
 * Extracts the layers of an image for the overlay bundler, so that its first bundle takes no
 * longer than every other. Layers that are there already are not touched. Those that the store
 * lacks are brought into it in the same pass: they are hashed, kept, decompressed, hashed again
 * and made into files as their bytes come.
 *
 * @param store The store.
 * @param image The image; what of its layers is not in the store is taken from where it is.
 * @param options To whom files belong; how to stop.
 * @returns The layers' directories, the base first.
 * @throws {BundleError} If overlays cannot be mounted here.
 * @throws {ExtractError} If a layer cannot be extracted.
 */
export async function prepareLayers(
  store: ContentStore,
  image: RemoteImage,
  options: PrepareLayersOptions = {},
): Promise<readonly ExtractedLayer[]> {
  const { ownership, jobs = JOBS, onProgress, onLayer } = options;
  using _native = keepNativeBackend();
  const mounter = options.mounter ??
    await findKernelMounter(store.path, { onWait: store.onWait, signal: options.signal });
  if (typeof mounter === "string") {
    throw new BundleError(
      `Cannot prepare layers for overlays: ${mounter}; do without, ` +
        "the uncompressed bundler needs none",
      store.path,
    );
  }
  using threads = LayerThreads.for(options.extract === undefined ? image : { layers: [] }, jobs);
  const resolver = new OverlayLayerResolver(store, {
    ...options,
    extract: options.extract ?? threadedExtraction(store, threads, { onProgress, onLayer }),
    jobs,
    mounter,
    ownership: ownership ?? await defaultOwnership(store.path),
  });
  using _lock = await lockLayers(store.path, "use", {
    onWait: store.onWait,
    signal: options.signal,
  });
  return await resolver.resolve(image);
}
