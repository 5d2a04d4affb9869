import type { Reference } from "../registry/reference.ts";
import type { ImageLocation } from "../registry/image_location.ts";
import type { CopiedImage, CopyOptions } from "./copy_options.ts";

export type { CopiedImage, CopyOptions };

/**
 * Copies an image, or anything else that has a manifest, from one place to another: a registry, an
 * OCI layout (`oci:DIR[:NAME]`) or an archive. The bytes stay as they are.
 *
 * Between registries, blobs are streamed and never touch the disk; within one registry they are
 * mounted. What the target has already is not sent. The name comes last.
 *
 * @param source Where it is, such as `alpine:3.20` or `oci:./layout:v1`.
 * @param target Where it goes.
 * @param options Platforms, hooks, credentials and callbacks.
 * @returns What was copied.
 * @throws {SyntaxError} If a location is invalid.
 * @throws {NotFoundError} If the source is not there.
 * @throws {PlatformError} If it has nothing for a platform.
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
