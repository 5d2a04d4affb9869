import type { FirstRead, ImageProgress, UpcomingLayer } from "../../registry/image_client.ts";
import type { Digest } from "../../spec/digest.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { Platform } from "../../spec/platform.ts";
import type { Hold } from "../../store/content/hold.ts";
import type { Image } from "../../store/images/image.ts";

/** Options for {@linkcode ImageCache.writeImage}. */
export interface WriteImageOptions {
  /** Name of the image in progress reports and errors. */
  readonly name?: string | undefined;
  /** Aborts the work. A later call resumes interrupted downloads. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the progress of each blob and, without a digest, of the whole image. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}

/** Keeps images by their digest. */
export interface ImageCache {
  /**
   * Finds a complete image.
   *
   * @param digest The digest of its index or manifest.
   * @param platform Platform to choose from an index; the host's if absent.
   * @returns The image, or `undefined` if any part of it is missing.
   * @throws {DigestMismatchError} If a part of the image is present but corrupt.
   */
  image(digest: Digest, platform?: Platform): Promise<Image | undefined>;
  /**
   * Finds a complete image for another platform than the one that suits the host best: an earlier
   * variant that runs on it, or the only one. Absent in a cache that has all platforms or none.
   *
   * @param digest The digest of its index or manifest.
   * @returns The image, or `undefined` if none is complete.
   */
  storedImage?(digest: Digest): Promise<Image | undefined>;
  /**
   * Downloads the missing and corrupt parts of an image into the cache.
   *
   * @param image The image, from any source.
   * @param options Callbacks and an abort signal.
   * @returns The same image, in the cache.
   */
  writeImage(image: RemoteImage, options?: WriteImageOptions): Promise<Image>;
  /**
   * Called before requesting an image that will probably be written. A cache may load the code for
   * writing while the response is on its way.
   */
  expectImage?(): void;
  /**
   * Returns the reads of layers with which {@linkcode ImageCache.writeImage} will begin, so that a
   * client can request them early. Absent in a cache that does not know.
   *
   * @param layers The layers of an image.
   */
  firstReads?(layers: readonly UpcomingLayer[]): Promise<readonly FirstRead[]>;
  /**
   * Protects written images against pruning until their reference is recorded. Absent in a cache
   * that is never pruned.
   *
   * @param signal Aborts the wait for another process.
   * @returns The hold, to dispose of once the reference is recorded.
   */
  hold?(signal?: AbortSignal): Promise<Hold | undefined>;
}
