import type { LoadedImage } from "../store/moving/load_archive.ts";
import type { LoadOptions } from "./archive_options.ts";

export type { LoadedImage, LoadOptions };

/**
 * Loads every image of an archive into the store: an OCI archive or an archive of docker, plain or
 * compressed with gzip or zstd. All of it is verified before anything is stored.
 *
 * A full name is kept. A name that is only a tag becomes `localhost/ARCHIVE:TAG`, after the name of
 * the file. An image without a name is stored without one.
 *
 * @param path Archive; `-` is stdin.
 * @param options Store, format, hooks and callbacks.
 * @returns The images, in the order of the archive.
 * @throws {ArchiveError} If the archive is damaged or hostile, or holds no images.
 *
 * @example Load what docker saved
 * ```ts no-assert
 * import { formatReference, load } from "@x/oci";
 *
 * async function names(path: string): Promise<readonly string[]> {
 *   const loaded = await load(path);
 *   return loaded.map(({ reference, descriptor: { digest } }) => {
 *     return reference === undefined ? `@${digest}` : formatReference(reference);
 *   });
 * }
 * ```
 */
export async function load(
  path: string,
  options: LoadOptions = {},
): Promise<readonly LoadedImage[]> {
  const { loadImages } = await import("./_load_images.ts");
  return await loadImages(path, options);
}
