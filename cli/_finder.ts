import { CachingPuller, LayoutHashCache, LayoutImageCache, NotCachedError } from "../cache/mod.ts";
import type { ImageClientOptions, Reference, RemoteClient } from "../registry/mod.ts";
import { MAX_MANIFEST_BYTES, type RemoteImage } from "../spec/mod.ts";
import type { ContentStore } from "../store/mod.ts";
import { openClient } from "./_client.ts";
import { imageOptions } from "./_puller.ts";
import type { Session } from "./_session.ts";
import { openStore } from "./_store.ts";

/** An image, and where it was found. */
export interface FoundImage {
  readonly image: RemoteImage;
  readonly source: "store" | "registry";
}

/**
 * Finds images to look at: in the store, else in the registry, as the policy says. Nothing is
 * stored.
 */
export class Finder implements Disposable {
  readonly #store: ContentStore;
  readonly #client: RemoteClient;
  readonly #options: ImageClientOptions;
  readonly #hashes: LayoutHashCache;

  private constructor(store: ContentStore, client: RemoteClient, options: ImageClientOptions) {
    this.#store = store;
    this.#client = client;
    this.#options = options;
    this.#hashes = new LayoutHashCache(store);
  }

  /** Makes the finder that the options describe. Whoever gets it disposes of it. */
  static async open(session: Session): Promise<Finder> {
    const store = await openStore(session);
    const options = await imageOptions(session);
    return new Finder(store, await openClient(session), options);
  }

  /** Finds an image for the platform that is wanted. */
  async image(reference: Reference): Promise<FoundImage> {
    const { pullPolicy = "IfNotPresent" } = this.#options;
    if (pullPolicy === "IfNotPresent" || pullPolicy === "Never") {
      try {
        return { image: await this.#storedImage(reference), source: "store" };
      } catch (error) {
        if (pullPolicy === "Never" || !(error instanceof NotCachedError)) throw error;
      }
    }
    return { image: await this.#client.image(reference, this.#options), source: "registry" };
  }

  /** The bytes of what a reference stands for; with a platform, of the manifest for that. */
  async manifestBytes(reference: Reference): Promise<Uint8Array> {
    const { pullPolicy = "IfNotPresent", platform } = this.#options;
    if (platform !== undefined) return (await this.image(reference)).image.manifest.bytes;
    if (pullPolicy === "IfNotPresent" || pullPolicy === "Never") {
      const digest = reference.digest ?? await this.#hashes.hash(reference);
      const bytes = digest &&
        await this.#store.readBlob({ digest }, { maxBytes: MAX_MANIFEST_BYTES });
      if (bytes !== undefined) return bytes;
      if (pullPolicy === "Never") throw new NotCachedError(reference, digest);
    }
    return (await this.#client.document(reference, this.#options)).bytes;
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  async #storedImage(reference: Reference): Promise<RemoteImage> {
    const images = new LayoutImageCache(this.#store);
    const puller = new CachingPuller(this.#hashes, images, this.#client);
    return await puller.image(reference, { ...this.#options, pullPolicy: "Never" });
  }
}
