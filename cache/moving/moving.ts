import type { ImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { LoadedImage } from "../../store/moving/load_archive.ts";
import type { SavedImage } from "../../store/moving/save_archive.ts";
import type {
  CopiedImage,
  CopyOptions,
  LoadOptions,
  PushedImage,
  PushOptions,
  SaveOptions,
} from "./moving_options.ts";

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
 * @throws {NotFoundError} If a registry does not have the source.
 * @throws {StoreError} If a layout does not exist, or does not have the source.
 * @throws {ArchiveError} If an archive does not exist, is damaged, or does not have the source.
 * @throws {PlatformError} If the source has no image for a platform.
 * @throws {SignatureError} If the source lacks a signature that `verify` requires.
 * @throws {RegistryError} If a registry refuses a request.
 * @throws {NetworkError} If a registry does not respond.
 *
 * @example Mirror an image with its signatures and SBOMs
 * ```ts
 * import { copy } from "@x/oci";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const { descriptor } = await copy("alpine:3.20", "localhost:5000/alpine:3.20", {
 *   withReferrers: true,
 * });
 *
 * using client = new RemoteClient();
 * const mirrored = await client.resolve(parseReference("localhost:5000/alpine:3.20"));
 * assertEquals(mirrored.digest, descriptor.digest);
 * ```
 */
export async function copy(
  source: Reference | ImageLocation | string,
  target: Reference | ImageLocation | string,
  options: CopyOptions = {},
): Promise<CopiedImage> {
  const { copyLocations } = await import("./copy_locations.ts");
  return await copyLocations(source, target, options);
}

/**
 * Pushes an image from the store to a registry, layout or archive. A complete index is pushed with
 * all of its manifests. If an index is incomplete, the manifest for one platform is pushed.
 *
 * @param reference Name of the image in the store, or `@DIGEST`.
 * @param target Target location; by default, the registry of `reference`.
 * @param options Store, platforms, credentials and callbacks.
 * @returns The pushed image.
 * @throws {StoreError} If the store does not have the image.
 * @throws {SignatureError} If the store lacks a signature that `verify` requires.
 * @throws {RegistryError} If the registry refuses a request.
 *
 * @example Pull an image and push it under another name
 * ```ts
 * import { pull, push } from "@x/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const store = "./store";
 * const image = await pull("alpine:3.20", { store, platform: "linux/amd64" });
 *
 * // The store has one platform of the index, so the manifest of that platform is pushed.
 * const { descriptor } = await push("alpine:3.20", "localhost:5000/base:1", { store });
 *
 * assertEquals(descriptor.digest, image.manifest.descriptor.digest);
 * ```
 */
export async function push(
  reference: Reference | string,
  target: Reference | ImageLocation | string = reference,
  options: PushOptions = {},
): Promise<PushedImage> {
  const { pushStored } = await import("./push_stored.ts");
  return await pushStored(reference, target, options);
}

/**
 * Loads every image of an archive into the store: an OCI archive or a docker archive, plain or
 * compressed with gzip or zstd, or an OCI image layout in a directory. All of it is verified before
 * anything is stored.
 *
 * A full name is kept. A name that is only a tag becomes `localhost/ARCHIVE:TAG`, after the name of
 * the file. An image without a name is stored without one.
 *
 * @param path Archive or layout; `-` is stdin.
 * @param options Store, format, hooks and callbacks.
 * @returns The images, in the order of the archive.
 * @throws {ArchiveError} If the archive is damaged or hostile, or contains no images.
 *
 * @example Load an archive of `docker save`
 * ```ts
 * import { formatReference, load } from "@x/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const loaded = await load("./app.tar", { store: "./store" });
 *
 * const names = loaded.map(({ reference }) => reference && formatReference(reference));
 * assertEquals(names, ["docker.io/library/app:v1"]);
 * ```
 */
export async function load(
  path: string,
  options: LoadOptions = {},
): Promise<readonly LoadedImage[]> {
  const { loadImages } = await import("./_load_images.ts");
  return await loadImages(path, options);
}

/**
 * Saves images of the store to an archive, or with the format `oci-dir` to an OCI layout in a
 * directory. The bytes are preserved. The file appears when it is complete.
 *
 * @param references Names of the images in the store.
 * @param path Archive or directory; `-` is stdout.
 * @param options Format, platform, hooks and callbacks.
 * @returns The saved images, in the same order.
 * @throws {SyntaxError} If a reference is invalid.
 * @throws {StoreError} If the store does not have all of an image.
 * @throws {PlatformError} If an image has nothing for the platform.
 * @throws {RangeError} If there are no references.
 * @throws {OciError} If the file cannot be written, or the format cannot hold an image.
 *
 * @example Save an image for `docker load`
 * ```ts
 * import { pull, save } from "@x/oci";
 * import { assert } from "@std/assert";
 *
 * await pull("alpine:3.20", { store: "./store" });
 *
 * await save("alpine:3.20", "./alpine.tar", { store: "./store", format: "docker-archive" });
 *
 * assert((await Deno.stat("./alpine.tar")).isFile);
 * ```
 */
export async function save(
  references: Reference | string | readonly (Reference | string)[],
  path: string,
  options: SaveOptions = {},
): Promise<readonly SavedImage[]> {
  const { saveStored } = await import("./save_images.ts");
  return await saveStored([references].flat(), path, options);
}
