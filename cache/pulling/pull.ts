import { hostPlatform } from "../../registry/host_platform.ts";
import type { Reference } from "../../registry/reference.ts";
import { toPlatform } from "../../spec/platform.ts";
import type { ImageFiles, ImageFilesOptions } from "../../store/files/image_files.ts";
import type { Image } from "../../store/images/image.ts";
import type { PullOptions } from "../pull_options.ts";

/** An image that {@linkcode pull} has stored, or found in the store. */
export interface PulledImage extends Image {
  /** Reference of the image, with registry and tag or digest. */
  readonly reference: Reference;
  /**
   * Whether the image is for the requested platform. An image without an index is accepted for any
   * platform.
   */
  readonly platformMatches: boolean;
  /**
   * Opens the files of the image, which are read from the store without unpacking them.
   *
   * @param options Callbacks and an abort signal.
   */
  files(options?: ImageFilesOptions): Promise<ImageFiles>;
}

/**
 * Pulls an image into the store if it is not stored yet, and returns it.
 *
 * {@linkcode CachingPuller} does the same with custom caches and clients. An image in an OCI image
 * layout, `oci:DIR[:NAME]` or `oci:DIR@DIGEST`, or in an archive, `oci-archive:FILE[:NAME]` or
 * `docker-archive:FILE[:NAME]`, is copied from there; the default policy is then `Always`.
 *
 * @param reference Reference, such as `alpine:3.20`, `ghcr.io/owner/app@sha256:…` or
 * `oci:./layout:v1`.
 * @param options Store, platform, credentials and callbacks.
 * @returns The complete image.
 * @throws {SyntaxError} If `reference` is invalid.
 * @throws {NotCachedError} If the policy is `Never` and the store does not have the image.
 * @throws {StoreError} If a layout does not exist, or does not have the image.
 * @throws {ArchiveError} If an archive does not exist, is damaged, or does not have the image.
 * @throws {PlatformError} If the image does not support the platform.
 * @throws {ArtifactError} If the reference leads to an artifact.
 * @throws {DigestMismatchError} If content does not match its digest.
 * @throws {SignatureError} If the image lacks a signature that `verify` requires.
 * @throws {RegistryError} If the registry refuses the request.
 * @throws {NetworkError} If the registry does not respond.
 *
 * @example Read a file of an image
 * ```ts
 * import { pull } from "@x/oci";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store", platform: "linux/arm64" });
 * const files = await image.files();
 *
 * assertStringIncludes(await files.readText("etc/os-release") ?? "", "Alpine Linux");
 * ```
 */
export async function pull(
  reference: Reference | string,
  options: PullOptions = {},
): Promise<PulledImage> {
  const { openImageSource } = await import("./_image_source.ts");
  using source = await openImageSource(reference, options);
  const { store } = source;
  const image = await source.puller.image(source.reference, source.options);
  const { platformFit } = await import("../../spec/image/platform_choice.ts");
  return {
    ...image,
    reference: source.reference,
    platformMatches:
      platformFit(image.platform, toPlatform(options.platform ?? hostPlatform())) >= 0,
    files: async (filesOptions) => {
      const { ImageFiles } = await import("../../store/files/image_files.ts");
      return new ImageFiles(store, image, filesOptions);
    },
  };
}
