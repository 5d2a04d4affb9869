import type { Reference } from "../registry/reference.ts";
import type { Image } from "../store/images/image.ts";
import type { UnpackImageOptions, UnpackReport } from "../store/unpacking/unpack_image_options.ts";
import { openImageSource } from "./_image_source.ts";
import type { PullOptions } from "./pull_options.ts";

/** Options for {@linkcode unpack}. */
export interface UnpackOptions
  extends PullOptions, Omit<UnpackImageOptions, "onProgress" | "onLayer"> {}

/** An unpacked image. */
export interface UnpackedImage {
  /** The complete image in the store. */
  readonly image: Image;
  /** What was done and what was skipped. */
  readonly report: UnpackReport;
}

/**
 * Unpacks an image into a directory. Missing parts are pulled following the policy in the same
 * pass. See {@linkcode unpackImage} for images that are already in the store.
 *
 * @param reference Reference, such as `alpine:3.20`, `ghcr.io/owner/app@sha256:…` or
 * `oci:./layout:v1`.
 * @param directory An empty or missing directory.
 * @param options Store, platform, credentials, paths to unpack and extraction options.
 * @returns The image and a report.
 * @throws {SyntaxError} If `reference` is invalid.
 * @throws {UnpackError} If the directory is not empty.
 * @throws {ExtractError} If an entry of a layer cannot be extracted.
 * @throws {DigestMismatchError} If content does not match its digest.
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
