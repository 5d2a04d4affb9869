import type { Reference } from "../registry/reference.ts";
import type { Image } from "../store/images/image.ts";
import type { UnpackImageOptions, UnpackReport } from "../store/unpacking/unpack_image_options.ts";
import { openImageSource } from "./_image_source.ts";
import type { PullOptions } from "./pull_options.ts";

/** Options for {@linkcode unpack}. */
export interface UnpackOptions
  extends PullOptions, Omit<UnpackImageOptions, "onProgress" | "onLayer"> {}

/** An image that was unpacked. */
export interface UnpackedImage {
  /** The image, complete, in the store. */
  readonly image: Image;
  /** What was done and what was skipped. */
  readonly report: UnpackReport;
}

/**
 * Unpacks an image into a directory. What of it is not in the store is pulled, as the policy
 * says, in the same pass: {@linkcode unpackImage} with an image that need not be there yet.
 *
 * @param reference Such as `alpine:3.20`, `ghcr.io/owner/app@sha256:…` or `oci:./layout:v1`.
 * @param directory An empty directory, or one that is not there.
 * @param options Store, platform, credentials; what to unpack and how.
 * @returns The image, and what was done.
 * @throws {SyntaxError} If `reference` is not one.
 * @throws {UnpackError} If the directory holds something.
 * @throws {ExtractError} If an entry of a layer cannot be extracted.
 * @throws {DigestMismatchError} If what comes is not what was promised.
 *
 * @example Unpack an image of a layout
 * ```ts
 * import { unpack } from "@x/oci";
 * import { assertRejects } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 *
 * // There is no layout, so there is nothing to unpack.
 * await assertRejects(() => {
 *   return unpack("oci:./no-layout", `${directory}/rootfs`, { store: `${directory}/store` });
 * });
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function unpack(
  reference: Reference | string,
  directory: string,
  options: UnpackOptions = {},
): Promise<UnpackedImage> {
  const { keepWhile } = await import("./_keep_while.ts");
  const { unpackImage } = await import("../store/unpacking/unpack_image.ts");
  using source = await openImageSource(reference, options);
  const { image, result: report } = await keepWhile(source, (found, listener) => {
    return unpackImage(source.store, found, directory, { ...options, ...listener });
  });
  return { image, report };
}
