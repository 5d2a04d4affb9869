import type { ImageClient, ImageClientOptions } from "../registry/image_client.ts";

/** Options for {@linkcode pull}. */
export interface PullOptions extends ImageClientOptions {
  /**
   * Directory of the store.
   *
   * @default The result of {@linkcode storeDirectory}.
   */
  readonly store?: string | undefined;
  /**
   * Maximum number of blobs to download at once.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /**
   * Source of images. The caller disposes of it.
   *
   * @default A new {@linkcode RemoteClient} for this call.
   */
  readonly client?: ImageClient | undefined;
  /** Called when the operation has waited for another process for a second. */
  readonly onWait?: ((message: string) => void) | undefined;
}
