import { CachingPuller, LayoutHashCache, LayoutImageCache } from "../cache/mod.ts";
import type { ImageClientOptions, ImageProgress, Reference } from "../registry/mod.ts";
import type { Image } from "../store/mod.ts";
import { readAuth } from "./_auth.ts";
import { openClient } from "./_client.ts";
import type { RegistryOptions } from "./_options.ts";
import type { Session } from "./_session.ts";
import { openStore } from "./_store.ts";

/** Pulls images as the options say. */
export interface Puller extends Disposable {
  /** Pulls one image into the store. */
  image(reference: Reference, onProgress: (event: ImageProgress) => void): Promise<Image>;
}

/** Makes the puller that the options describe. Whoever gets it disposes of it. */
export async function openPuller(session: Session): Promise<Puller> {
  const { jobs } = session.options<RegistryOptions>();
  const store = await openStore(session);
  const common = await imageOptions(session);
  const client = await openClient(session);
  const images = new LayoutImageCache(store, jobs === undefined ? {} : { jobs });
  const puller = new CachingPuller(new LayoutHashCache(store), images, client);
  return {
    image: (reference, onProgress) => puller.image(reference, { ...common, onProgress }),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

/** Policy, platform and credentials, as every call for an image takes them. */
export async function imageOptions(session: Session): Promise<ImageClientOptions> {
  const { policy, platform } = session.options<RegistryOptions>();
  const auth = await readAuth(session);
  return {
    signal: session.signal,
    onWarning: session.warn,
    ...(policy === undefined ? {} : { pullPolicy: policy }),
    ...(platform === undefined ? {} : { platform }),
    ...(auth === undefined ? {} : { auth }),
  };
}
