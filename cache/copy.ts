import type { Reference } from "../registry/reference.ts";
import type { ImageLocation } from "../registry/image_location.ts";
import type { CopiedImage, CopyOptions } from "./copy_options.ts";

export type { CopiedImage, CopyOptions };

/**
 * Copies an image, or anything else with a manifest, between registries, OCI layouts
 * (`oci:DIR[:NAME]`) and archives. The bytes are preserved.
 *
 * Between registries, blobs are streamed and never touch the disk; within one registry they are
 * mounted. Content that the target already has is skipped. The tag is written last.
 *
 * @param source Source location, such as `alpine:3.20` or `oci:./layout:v1`.
 * @param target Target location.
 * @param options Platforms, hooks, credentials and callbacks.
 * @returns What was copied.
 * @throws {SyntaxError} If a location is invalid.
 * @throws {NotFoundError} If the source does not exist.
 * @throws {PlatformError} If the source has no image for a platform.
 * @throws {RegistryError} If a registry refuses a request.
 *
 * @example Mirror an image
 * ```ts no-assert
 * import { copy } from "@x/oci";
 *
 * async function mirror(name: string): Promise<string> {
 *   const { descriptor } = await copy(name, `localhost:5000/${name}`, { withReferrers: true });
 *   return descriptor.digest;
 * }
 * ```
 */
export async function copy(
  source: Reference | ImageLocation | string,
  target: Reference | ImageLocation | string,
  options: CopyOptions = {},
): Promise<CopiedImage> {
  const { copyLocations } = await import("./_copy_locations.ts");
  return await copyLocations(source, target, options);
}
