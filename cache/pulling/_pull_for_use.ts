import type {
  ImageClientOptions,
  ImageProgress,
  UpcomingLayer,
} from "../../registry/image_client.ts";
import { formatReference } from "../../registry/reference.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { blobsOfImage, findHeld } from "../../store/content/find_held.ts";
import type { LayerListener } from "../../store/content/ingest_layer.ts";
import { type Image, storedImage } from "../../store/images/image.ts";
import type { ProgressMeter } from "../progress_meter.ts";
// Always needed with this module. Loading them together saves an import.
import "./_image_source.ts";
import type { ImageSource } from "./_image_source.ts";
import type { FoundImage } from "./caching_puller.ts";

export interface PullForUseOptions<T> {
  /**
   * Returns the layers to request while the config arrives, in the order in which they are read.
   *
   * By default, all layers, the base first.
   */
  readonly earlyLayers?:
    | ((layers: readonly UpcomingLayer[]) => readonly UpcomingLayer[])
    | undefined;
  /**
   * Maximum number of layers that are read at once.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /**
   * Returns the result for a stored image if nothing needs to be done. The image then needs no
   * protection against pruning.
   */
  readonly findResult?: ((image: RemoteImage) => Promise<T | undefined>) | undefined;
}

/** Callbacks for the use of an image. */
export interface UseListener extends Required<LayerListener> {
  /** Called with each layer that is only fetched in part. */
  readonly onPartialLayer: (layer: Descriptor) => void;
}

/**
 * Uses an image. Calls `keep` once the layers are stored, unless only parts of them were fetched:
 * it stores the rest of the image.
 */
export type UseImage<T> = (
  image: RemoteImage,
  listener: UseListener,
  keep: () => Promise<void>,
) => Promise<T>;

/** An image in the store and the result of its use. */
export interface UsedImage<T> {
  readonly image: Image;
  readonly result: T;
}

/**
 * Finds an image and passes it to `use`, which stores its layers. Reports the progress of `use` in
 * the same way as that of a pull.
 */
export async function pullForUse<T>(
  source: ImageSource,
  use: UseImage<T>,
  useOptions: PullForUseOptions<T> = {},
): Promise<UsedImage<T>> {
  const { reference, options } = source;
  let meter: ProgressMeter | undefined = undefined;
  const cachedEvents: ImageProgress[] = [];
  const findOptions = findOptionsOf(source, useOptions, (event) => {
    // Storing the rest of the image reports all layers again. The meter counts only those that
    // `use` did not need, such as layers that are already extracted.
    if (meter !== undefined) meter.relay(event);
    // A stored image is done once it is extracted, which a meter reports.
    else if (event.cached) cachedEvents.push(event);
    else options.onProgress?.(event);
  });
  const find = () => source.puller.find(reference, findOptions);
  const first = await find();
  const known = first.isCached ? await useOptions.findResult?.(first.image) : undefined;
  if (known !== undefined) {
    for (const event of cachedEvents) options.onProgress?.(event);
    return { image: await first.keep(), result: known };
  }
  // Layers are stored before anything refers to them.
  const blobsOf = ({ isCached, image }: FoundImage) => isCached ? blobsOfImage(image) : [];
  using held = await findHeld(source.store, find, { blobsOf, signal: options.signal, first });
  const { found } = held;
  using opened = await openMeter(found, source);
  meter = opened;
  let image: Image | undefined;
  const listener = listenerOf(meter, found.isCached);
  const result = await use(found.image, listener, async () => {
    image = await found.keep();
  });
  image ??= storedImage(source.store, found.image);
  meter?.end();
  return { image, result };
}

/** Opens the meter of the use of an image; `undefined` if there is nothing to report. */
async function openMeter(
  { image, isCached }: FoundImage,
  { reference, options: { onProgress } }: ImageSource,
): Promise<ProgressMeter | undefined> {
  if (isCached && onProgress === undefined) return undefined;
  const { layers, config, manifest, indexes } = image;
  const documents = isCached ? [] : [config, manifest, ...indexes];
  const { ProgressMeter } = await import("../progress_meter.ts");
  const phase = isCached ? "extract" : "fetch";
  return new ProgressMeter(formatReference(reference), { layers, documents }, onProgress, phase);
}

function listenerOf(meter: ProgressMeter | undefined, isCached: boolean): UseListener {
  return {
    onProgress: (layer, progress) => meter?.update(layer, progress),
    onLayer: (layer, ingestion) => {
      if (isCached) return;
      meter?.stored(layer, ingestion);
      meter?.extracting();
    },
    onRead: (layer, bytes) => {
      if (isCached) meter?.read(layer, bytes);
    },
    onPartialLayer: (layer) => meter?.leaveOut(layer),
  };
}

/** Returns the options for finding an image, whose progress is passed to `report`. */
function findOptionsOf<T>(
  { store, options }: ImageSource,
  { earlyLayers = (layers) => layers, jobs }: PullForUseOptions<T>,
  report: (event: ImageProgress) => void,
): ImageClientOptions {
  return {
    ...options,
    firstReads: async (layers) => {
      const { firstReads } = await import("../../store/downloads/first_reads.ts");
      return await firstReads(store, earlyLayers(layers), jobs);
    },
    onProgress: options.onProgress && report,
  };
}
