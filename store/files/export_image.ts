import { pickLimits } from "../../layer/extraction/layer_limits.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { ImageFiles, type ImageFilesOptions } from "./image_files.ts";
import { archiveTree } from "./tree_archive.ts";

/** Options for {@linkcode exportImage}. */
export interface ExportImageOptions extends Omit<ImageFilesOptions, "checkOwners"> {}

/**
 * Writes the flattened file system of an image, as a container would see it, as a tar archive in
 * the pax format.
 *
 * Files come in the order of the layers, the base first, each after its directories and before its
 * hard links, so that no entry depends on a later one. A directory that the archive returns to is
 * repeated at the end, so that its times are right after an extraction in one pass. The archive is
 * reproducible. Holes in files, extended attributes and fractions of seconds are preserved.
 *
 * Layers are downloaded into the store as needed and read twice: to list their entries, and for the
 * content of the files.
 *
 * @param store Store that keeps the layers.
 * @param image The image. Layers that are not in the store are downloaded.
 * @param options Callbacks and an abort signal.
 * @returns The archive. It is complete and verified once the stream closes.
 *
 * @example Export an image as a tar archive
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, exportImage } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const store = await ContentStore.open("./store");
 *
 * const file = await Deno.create("./rootfs.tar");
 * await exportImage(store, image).pipeTo(file.writable);
 *
 * assert((await Deno.stat("./rootfs.tar")).size > 0);
 * ```
 */
export function exportImage(
  store: ContentStore,
  image: RemoteImage,
  options: ExportImageOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const files = new ImageFiles(store, image, { ...options, checkOwners: true });
  const { signal } = options;
  const layers = image.layers.keys().map((index) => files.layer(index));
  return ReadableStream.from((async function* () {
    yield* archiveTree(await files.tree(), layers, { ...pickLimits(options), signal });
  })());
}
