import { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImageClient } from "../../registry/image_client.ts";
import {
  type ImageLocation,
  parseImageLocation,
  type RegistryLocation,
} from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import type { LayoutClient } from "../../store/images/layout_client.ts";
import { storeDirectory } from "../directory.ts";
import type { PullOptions } from "../pull_options.ts";
import { CachingPuller, type CachingPullerOptions } from "./caching_puller.ts";
import { LayoutHashCache } from "./hash_cache.ts";
import { LayoutImageCache } from "./layout_image_cache.ts";

/** The source of an image and the store that receives it. */
export interface ImageSource extends Disposable {
  /** Reference of the image. */
  readonly reference: Reference;
  /** Policy, platform and similar options. */
  readonly options: CachingPullerOptions;
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
  const { store: directory, jobs, client, onWait, verify, ...imageOptions } = options;
  const location: ImageLocation = typeof reference === "string"
    ? parseImageLocation(reference)
    : { transport: "docker", reference };
  const store = await ContentStore.open(directory ?? storeDirectory(), { onWait });
  const hashes = new LayoutHashCache(store);
  const caches = new LayoutImageCache(store, { jobs });
  const checkedOptions = (source: ImageClient, reference: Reference): CachingPullerOptions => ({
    ...imageOptions,
    check: verify && (async ({ indexes: [index], manifest }) => {
      const { checkSignature } = await import("../check_signature.ts");
      const place = { store, client: source, reference, options: imageOptions };
      await checkSignature(index ?? manifest, verify, place);
    }),
  });
  if (location.transport === "docker") {
    const stack = new DisposableStack();
    const images = client ?? stack.use(new RemoteClient());
    return {
      reference: location.reference,
      options: checkedOptions(images, location.reference),
      store,
      puller: new CachingPuller(hashes, caches, images),
      [Symbol.dispose]: () => stack.dispose(),
    };
  }
  const local = await openLocalImages(location, store, imageOptions.signal);
  const { reference: name } = local.images;
  return {
    reference: name,
    // Reading a local source costs no request.
    options: {
      ...checkedOptions(local.images, name),
      pullPolicy: imageOptions.pullPolicy ?? "Always",
    },
    store,
    puller: new CachingPuller(hashes, caches, local.images),
    [Symbol.dispose]: () => local[Symbol.dispose](),
  };
}

/** Opens a layout or an archive; disposing of the result closes the archive. */
async function openLocalImages(
  location: Exclude<ImageLocation, RegistryLocation>,
  store: ContentStore,
  signal: AbortSignal | undefined,
): Promise<Disposable & { readonly images: LayoutClient }> {
  const { LayoutClient } = await import("../../store/images/layout_client.ts");
  if (location.transport === "oci") {
    return { images: await LayoutClient.open(location), [Symbol.dispose]() {} };
  }
  const { ImageArchive } = await import("../../store/archives/image_archive.ts");
  using stack = new DisposableStack();
  const archive = stack.use(
    await ImageArchive.open(location.path, {
      format: location.transport,
      spoolDirectory: `${store.path}/ingest`,
      signal,
    }),
  );
  const images = await LayoutClient.find(archive, location);
  const owned = stack.move();
  return { images, [Symbol.dispose]: () => owned.dispose() };
}
