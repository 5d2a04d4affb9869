import type { Reference } from "../registry/reference.ts";
import type { SavedImage } from "../store/moving/save_archive.ts";
import type { SaveOptions } from "./archive_options.ts";

export type { SavedImage, SaveOptions };

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
 *
 * @example Save an image for `docker load`
 * ```ts no-assert
 * import { pull, save } from "@x/oci";
 *
 * async function download(name: string, path: string): Promise<void> {
 *   await pull(name);
 *   await save(name, path, { format: "docker-archive" });
 * }
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
