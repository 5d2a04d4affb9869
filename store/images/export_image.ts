import type { RemoteImage } from "../../spec/image.ts";
import { archiveTree } from "./tree_archive.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { Layer } from "./image.ts";
import { ImageFiles, type ImageFilesOptions } from "./image_files.ts";

/** Options for {@linkcode exportImage}. */
export interface ExportImageOptions extends ImageFilesOptions {}

/**
 * Writes the flattened file system of an image as a tar archive, in the pax format: what a
 * container of it would see as its root.
 *
 * Files come in the order of the layers, the base first, each after the directories that it is in
 * and before its hard links, so that nothing needs what comes later. A directory that is gone back
 * to comes once more at the end: whoever extracts the archive in one pass gets its time right. An
 * image always gives the same bytes. Holes of files that the layers have as holes stay holes, and
 * extended attributes and fractions of seconds are kept.
 *
 * Layers are brought into the store as they are needed and read twice: for what there is, and for
 * its content.
 *
 * @param store Where layers are kept.
 * @param image The image; what of it is not in the store is taken from where it is.
 * @param options How to stop, and whom to tell.
 * @returns The archive. It is complete and right if it closes.
 *
 * @example Export an image of a store
 * ```ts no-assert
 * import { type ContentStore, exportImage, type Image } from "@x/oci/store";
 *
 * async function save(store: ContentStore, image: Image): Promise<void> {
 *   using file = await Deno.create("rootfs.tar");
 *   await exportImage(store, image).pipeTo(file.writable);
 * }
 * ```
 */
export function exportImage(
  store: ContentStore,
  image: RemoteImage,
  options: ExportImageOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const files = new ImageFiles(store, image, options);
  return ReadableStream.from(writeImage(files, image.layers.length, options.signal));
}

async function* writeImage(
  files: ImageFiles,
  count: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const tree = await files.tree();
  yield* archiveTree(tree, layersOf(files, count), signal === undefined ? {} : { signal });
}

async function* layersOf(files: ImageFiles, count: number): AsyncGenerator<Layer, void, void> {
  for (let index = 0; index < count; index++) yield await files.layer(index);
}
