import type { ImagePullAuth } from "../registry/image_client.ts";
import type { CopiedImage, CopyOptions } from "./copy_options.ts";

/** Options for {@linkcode push}. */
export interface PushOptions extends Omit<CopyOptions, "sourceAuth" | "targetAuth"> {
  /**
   * Directory of the store.
   *
   * @default The result of {@linkcode storeDirectory}.
   */
  readonly store?: string | undefined;
  /**
   * Whether an index is pushed only as a whole: if the store does not have all of it, nothing is.
   *
   * @default {false}
   */
  readonly allPlatforms?: boolean | undefined;
  /** Credentials for the registry. */
  readonly auth?: ImagePullAuth | undefined;
  /** Called when another process holds a lock of the store for long. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/** An image that was pushed. */
export interface PushedImage extends CopiedImage {
  /**
   * The only platform that was pushed of an image for several, as the store does not have the
   * others; `undefined` if the image was pushed as it is, or as `platforms` says.
   */
  readonly partialPlatform: string | undefined;
}
