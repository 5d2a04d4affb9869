import type { ImageClientOptions, ImageProgress } from "../../registry/image_client.ts";
import { formatReference } from "../../registry/reference.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { Image } from "../../store/images/image.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import type { Hold } from "../../store/content/hold.ts";
import type { LayerListener } from "../../store/content/layer_listener.ts";
import type { ImageSource } from "./_image_source.ts";
import { ProgressMeter } from "../progress_meter.ts";

/** An image in the store and the result of its use. */
export interface UsedImage<T> {
  readonly image: Image;
  readonly result: T;
}

/**
 * Finds an image, passes its layers to `use` while they are stored, and stores the rest of the
 * image. Reports the progress of `use` in the same way as that of a pull.
 */
export async function pullForUse<T>(
  source: ImageSource,
  use: (image: RemoteImage, listener: Required<LayerListener>) => Promise<T>,
): Promise<UsedImage<T>> {
  const { reference, options } = source;
  const { onProgress } = options;
  let meter: ProgressMeter | undefined;
  const findOptions: ImageClientOptions = {
    ...options,
    // Most of what storing the image reports has been counted by then, except for layers that `use`
    // did not need, such as layers that are already extracted.
    onProgress: onProgress && ((event: ImageProgress) => {
      if (meter === undefined) onProgress(event);
      else meter.relay(event);
    }),
  };
  let found = await source.puller.find(reference, findOptions);
  // Layers are stored before anything references them.
  using hold = await source.store.hold(options.signal);
  // Until then, another process may have removed the name of the image and pruned its content.
  while (
    hold !== undefined && found.isCached && !await holdImage(source.store, hold, found.image)
  ) {
    found = await source.puller.find(reference, findOptions);
  }
  if (!found.isCached) {
    const { layers, config, manifest, indexes } = found.image;
    const documents = [config, manifest, ...indexes];
    meter = new ProgressMeter(formatReference(reference), { layers, documents }, onProgress);
  }
  const result = await use(found.image, {
    onProgress: (layer, progress) => meter?.update(layer, progress),
    onLayer: (layer, { status, ...progress }) => {
      meter?.finish(layer, { ...progress, cached: status === "cached" });
    },
  });
  const image = await found.keep();
  meter?.end();
  return { image, result };
}

/** Protects a stored image against pruning. Returns whether all of it is still there. */
async function holdImage(store: ContentStore, hold: Hold, image: RemoteImage): Promise<boolean> {
  const blobs = [...image.indexes, image.manifest, image.config, ...image.layers];
  for (const { descriptor } of blobs) await hold.add(descriptor.digest);
  const there = await Promise.all(blobs.map(({ descriptor }) => store.has(descriptor)));
  return !there.includes(false);
}
