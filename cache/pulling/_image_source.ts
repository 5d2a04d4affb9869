import type { ImageClientOptions } from "../../registry/image_client.ts";
import { type ImageLocation, parseImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import { RemoteClient } from "../../registry/client/remote_client.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import { CachingPuller } from "./caching_puller.ts";
import { storeDirectory } from "../directory.ts";
import { LayoutHashCache } from "./hash_cache.ts";
import { LayoutImageCache } from "./layout_image_cache.ts";
import type { PullOptions } from "../pull_options.ts";

/** The source of an image and the store that receives it. */
export interface ImageSource extends Disposable {
  /** Reference of the image. */
  readonly reference: Reference;
  /** Policy, platform and similar options. */
  readonly options: ImageClientOptions;
  /** Store that receives the image. */
  readonly store: ContentStore;
  /** Puller that finds the image. */
  readonly puller: CachingPuller;
}

/** Opens the store and the source of the image. */
export async function openImageSource(
  reference: Reference | string,
  options: PullOptions,
): Promise<ImageSource> {
  const { store: directory, jobs, client, onWait, ...imageOptions } = options;
  const location: ImageLocation = typeof reference === "string"
    ? parseImageLocation(reference)
    : { transport: "docker", reference };
  const store = await ContentStore.open(directory ?? storeDirectory(), { onWait });
  const hashes = new LayoutHashCache(store);
  const caches = new LayoutImageCache(store, { jobs });
  switch (location.transport) {
    case "docker": {
      const own = client === undefined ? new RemoteClient() : undefined;
      return {
        reference: location.reference,
        options: imageOptions,
        store,
        puller: new CachingPuller(hashes, caches, client ?? own as RemoteClient),
        [Symbol.dispose]: () => own?.[Symbol.dispose](),
      };
    }
    case "oci": {
      const { LayoutClient } = await import("../../store/images/layout_client.ts");
      const layout = await LayoutClient.open(location);
      return {
        reference: layout.reference,
        // Looking at a local source costs no request.
        options: { ...imageOptions, pullPolicy: imageOptions.pullPolicy ?? "Always" },
        store,
        puller: new CachingPuller(hashes, caches, layout),
        [Symbol.dispose]() {},
      };
    }
    case "oci-archive":
    case "docker-archive": {
      const { LayoutClient } = await import("../../store/images/layout_client.ts");
      const { ImageArchive } = await import("../../store/archives/image_archive.ts");
      const archive = await ImageArchive.open(location.path, {
        format: location.transport,
        spoolDirectory: `${store.path}/ingest`,
        signal: imageOptions.signal,
      });
      try {
        const images = await LayoutClient.find(archive, location);
        return {
          reference: images.reference,
          options: { ...imageOptions, pullPolicy: imageOptions.pullPolicy ?? "Always" },
          store,
          puller: new CachingPuller(hashes, caches, images),
          [Symbol.dispose]: () => archive[Symbol.dispose](),
        };
      } catch (error) {
        archive[Symbol.dispose]();
        throw error;
      }
    }
  }
}
