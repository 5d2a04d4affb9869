import type { ImageClient, ImageClientOptions } from "../registry/image_client.ts";
import type { Reference } from "../registry/reference.ts";
import type { Image } from "../store/images/image.ts";
import { openImageSource } from "./_image_source.ts";

/** Options for {@linkcode pull}. */
export interface PullOptions extends ImageClientOptions {
  /**
   * The directory of the store.
   *
   * @default What {@linkcode storeDirectory} says.
   */
  readonly store?: string | undefined;
  /**
   * How many blobs are downloaded at the same time.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /**
   * Where images come from. The caller disposes of it.
   *
   * @default A {@linkcode RemoteClient} for this call.
   */
  readonly client?: ImageClient | undefined;
  /** Is told of another process, if it is waited for longer than a person would expect. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/**
 * Pulls an image into the store, if it is not there, and returns it: the short way to do what
 * {@linkcode CachingPuller} does with parts of one's own.
 *
 * An image in another OCI image layout, `oci:DIR[:NAME]` or `oci:DIR@DIGEST`, is copied from
 * there. As no request is saved by not looking, the policy is then `Always` by default.
 *
 * @param reference Such as `alpine:3.20`, `ghcr.io/owner/app@sha256:…` or `oci:./layout:v1`.
 * @param options Store, platform, credentials and the like.
 * @returns The image, complete, in the store.
 * @throws {SyntaxError} If `reference` is not one.
 * @throws {DigestMismatchError} If what comes is not what was promised.
 *
 * @example Copy an image from a layout
 * ```ts
 * import { pull } from "@x/oci";
 * import { assertRejects } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 *
 * // There is no layout, so there is nothing to pull.
 * await assertRejects(() => pull("oci:./no-layout", { store: directory }));
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function pull(
  reference: Reference | string,
  options: PullOptions = {},
): Promise<Image> {
  using source = await openImageSource(reference, options);
  return await source.puller.image(source.reference, source.options);
}
