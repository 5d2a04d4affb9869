import type { ImageProgress } from "../registry/image_client.ts";
import type { Digest } from "../spec/digest.ts";
import type { RemoteImage } from "../spec/image.ts";
import type { Platform } from "../spec/platform.ts";
import type { Image } from "../store/images/image.ts";

/** Options for {@linkcode ImageCache.writeImage}. */
export interface WriteImageOptions {
  /** What the image is called in progress and errors. */
  readonly name?: string | undefined;
  /** Stops the work; what has been downloaded stays to be resumed. */
  readonly signal?: AbortSignal | undefined;
  /** Is told how far the work is: of each blob, and without a digest of all of them. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}

/** Keeps images by their digest. */
export interface ImageCache {
  /**
   * Finds an image that is complete.
   *
   * @param digest The digest of its index or manifest.
   * @param platform What is chosen from an index; the host's if absent.
   * @returns The image, or `undefined` if any part of it is absent.
   * @throws {DigestMismatchError} If a part of it is there but corrupt: absent and corrupt are
   * different things, and only the caller knows which is an error.
   */
  image(digest: Digest, platform?: Platform): Promise<Image | undefined>;
  /**
   * Brings an image into the cache: what is missing of it, and what is corrupt.
   *
   * @param image The image, wherever it is.
   * @param options Whom to tell; how to stop.
   * @returns The same image, in the cache.
   */
  writeImage(image: RemoteImage, options?: WriteImageOptions): Promise<Image>;
  /**
   * Keeps images that are written from being pruned before their reference is recorded. Absent in a
   * cache that nothing prunes.
   *
   * @param signal Aborts the wait for another process.
   * @returns The hold, to dispose of once the reference is recorded.
   */
  hold?(signal?: AbortSignal): Promise<Disposable | undefined>;
}
