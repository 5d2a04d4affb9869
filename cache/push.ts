import type { ImageLocation } from "../registry/image_location.ts";
import type { Reference } from "../registry/reference.ts";
import type { PushedImage, PushOptions } from "./push_options.ts";

export type { PushedImage, PushOptions };

/**
 * Pushes an image from the store to a registry, layout or archive. A complete index is pushed with
 * all of its manifests. If an index is incomplete, the manifest for one platform is pushed.
 *
 * @param reference Name of the image in the store.
 * @param target Target location.
 * @param options Store, platforms, credentials and callbacks.
 * @returns The pushed image.
 * @throws {NotCachedError} If the store does not have the image.
 * @throws {RegistryError} If the registry refuses a request.
 *
 * @example Pull an image and push it under another name
 * ```ts no-assert
 * import { pull, push } from "@x/oci";
 *
 * async function promote(name: string, target: string): Promise<string> {
 *   await pull(name);
 *   return (await push(name, target)).descriptor.digest;
 * }
 * ```
 */
export async function push(
  reference: Reference | string,
  target: Reference | ImageLocation | string = reference,
  options: PushOptions = {},
): Promise<PushedImage> {
  const { pushStored } = await import("./_push_stored.ts");
  return await pushStored(reference, target, options);
}
