import { explainedError } from "../../spec/error_facts.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Platform } from "../../spec/platform.ts";
import { ImageArchiveWriter } from "../archives/archive_writer.ts";
import type { ArchiveFormat } from "../archives/image_archive.ts";
import type { ContentStore } from "../content/content_store.ts";
import { chooseManifest } from "./choose_platforms.ts";
import { chooseStored } from "./choose_stored.ts";
import { copyToTarget } from "./copy_graph.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import { LayoutContent } from "./layout_content.ts";
import { LayoutWriter } from "./layout_writer.ts";
import { isStored, presentIn } from "./stored_graph.ts";

/** An image in a store to save. */
export interface ImageToSave {
  /** Name in the archive; absent for none. */
  readonly name: string | undefined;
  /** Its index or manifest. */
  readonly descriptor: Descriptor;
}

/** An image that was saved. */
export interface SavedImage extends ImageToSave {
  /** Whether it is one platform of a multi-platform image. */
  readonly isPart: boolean;
}

/** Format to save images in: an archive, or an OCI layout in a directory. */
export type SaveFormat = ArchiveFormat | "oci-dir";

/** Options for {@linkcode saveArchive}. */
export interface SaveArchiveOptions
  extends Omit<CopyGraphOptions, "foreignLayers" | "jobs" | "withReferrers"> {
  /**
   * The format.
   *
   * @default {"oci-archive"}
   */
  readonly format?: SaveFormat | undefined;
  /**
   * The only platform to save.
   *
   * By default, all if the store has all and the format supports it, else the host's.
   */
  readonly platform?: Platform | undefined;
  /** Sink to write to instead of the file, such as stdout. */
  readonly output?: { write(bytes: Uint8Array): Promise<void> } | undefined;
}

/**
 * Saves images of a store into an archive, which appears under its name when it is complete.
 *
 * An image for several platforms is saved with its index if all of them are in the store and the
 * format is not `docker-archive`. Otherwise one platform is saved, with the manifest as it is. The
 * images are added to an existing OCI layout; any other file is replaced.
 *
 * @param store Store of the images.
 * @param images The images, or a function that fetches them into the store; called once the file can
 * be written.
 * @param path The file or the directory; only its name if the archive goes to `output`.
 * @param options Format, platform and abort signal.
 * @returns The documents that were saved, in the same order.
 * @throws {StoreError} If a part of an image is not in the store.
 * @throws {PlatformError} If an image is not available for the platform.
 * @throws {RangeError} If there are no images.
 *
 * @example Save an image of a store
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, saveArchive } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * await pull("alpine:3.20", { store: "./store" });
 * const store = await ContentStore.open("./store");
 * const images = await store.references();
 *
 * const saved = await saveArchive(store, images, "./alpine.tar");
 *
 * assertEquals(saved.map(({ name }) => name), images.map(({ name }) => name));
 * ```
 */
export async function saveArchive(
  store: ContentStore,
  images: readonly ImageToSave[] | (() => Promise<readonly ImageToSave[]>),
  path: string,
  options: SaveArchiveOptions = {},
): Promise<readonly SavedImage[]> {
  const { format = "oci-archive", platform, output, successors, ...hooks } = options;
  await using writer = format === "oci-dir"
    ? await LayoutWriter.create(path, options.signal)
    : await ImageArchiveWriter.create(path, format, { output });
  const saved: SavedImage[] = [];
  const chosen = typeof images === "function" ? await images() : images;
  if (chosen.length === 0) {
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: "save images",
      problem: "the list has none",
      option: "images",
    });
  }
  const source = new LayoutContent(store);
  for (const { name, descriptor } of chosen) {
    const how = { label: name ?? descriptor.digest, signal: options.signal };
    const root = platform !== undefined
      ? await chooseManifest(source, descriptor, platform, how)
      : format !== "docker-archive" && await isStored(store, descriptor)
      ? descriptor
      : await chooseStored(store, descriptor, { ...how, takesFirst: true });
    saved.push({ name, descriptor: root, isPart: root.digest !== descriptor.digest });
  }
  const copyOptions: CopyGraphOptions = {
    ...hooks,
    // Blobs are written one after another, so that the same images give the same bytes.
    jobs: 1,
    foreignLayers: "copy",
    successors: async (node, all) => {
      return await presentIn(store, node, await successors?.(node, all) ?? all);
    },
  };
  const written: SavedImage[] = [];
  for (const { name, descriptor, isPart } of saved) {
    const copied = await copyToTarget(source, { content: writer, name }, descriptor, copyOptions);
    if (name === undefined) await writer.keep(copied);
    written.push({ name, descriptor: { ...descriptor, ...copied }, isPart });
  }
  await writer.commit();
  return written;
}
