import { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImageClient } from "../../registry/image_client.ts";
import {
  type ArchiveLocation,
  type ImageLocation,
  parseImageLocation,
  type RegistryLocation,
} from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import type { PullOptions } from "../pull_options.ts";
import { storeDirectory } from "../store_directory.ts";
import { CachingPuller, type CachingPullerOptions } from "./caching_puller.ts";
import { LayoutHashCache } from "./hash_cache.ts";
import { LayoutImageCache } from "./layout_image_cache.ts";

/** The source of an image and the store that receives it. */
export interface ImageSource extends Disposable {
  /** Reference of the image. */
  readonly reference: Reference;
  /** Policy, platform and similar options. */
  readonly options: CachingPullerOptions;
  readonly store: ContentStore;
  readonly puller: CachingPuller;
}

/** Opens the store and the source of the image. */
export async function openImageSource(
  reference: Reference | string,
  options: PullOptions,
): Promise<ImageSource> {
  const { store: directory, jobs, client, onWait, verify, ...imageOptions } = options;
  const location: ImageLocation = typeof reference === "string"
    ? parseImageLocation(reference)
    : { transport: "docker", reference };
  const store = await ContentStore.open(directory ?? storeDirectory(), { onWait });
  using stack = new DisposableStack();
  const { images, reference: name } = location.transport === "docker"
    ? { images: client ?? stack.use(new RemoteClient()), reference: location.reference }
    : await openLocalImages(location, store, stack, imageOptions);
  // Reading a local source costs no request.
  const usual = location.transport === "docker" ? undefined : "Always";
  const source = {
    reference: name,
    options: {
      ...imageOptions,
      pullPolicy: imageOptions.pullPolicy ?? usual,
      check: verify && (async ({ indexes: [index], manifest }: RemoteImage) => {
        const { checkSignature } = await import("../check_signature.ts");
        const place = { store, client: images, reference: name, options: imageOptions };
        await checkSignature(index ?? manifest, verify, place);
      }),
    },
    store,
    puller: new CachingPuller(
      new LayoutHashCache(store),
      new LayoutImageCache(store, { jobs }),
      images,
    ),
  };
  const owned = stack.move();
  return { ...source, [Symbol.dispose]: () => owned.dispose() };
}

/** Opens a layout or an archive, which the stack closes. */
async function openLocalImages(
  location: Exclude<ImageLocation, RegistryLocation>,
  store: ContentStore,
  stack: DisposableStack,
  { signal, onWarning }: Pick<PullOptions, "signal" | "onWarning">,
): Promise<{ readonly images: ImageClient; readonly reference: Reference }> {
  const { LayoutClient } = await import("../../store/images/layout_client.ts");
  const open = async ({ path, transport: format }: ArchiveLocation) => {
    const { ImageArchive } = await import("../../store/archives/image_archive.ts");
    const spoolDirectory = `${store.path}/ingest`;
    return stack.use(await ImageArchive.open(path, { format, spoolDirectory, signal, onWarning }));
  };
  const images = location.transport === "oci"
    ? await LayoutClient.open(location)
    : await LayoutClient.find(await open(location), location);
  return { images, reference: images.reference };
}
