import { childrenOf } from "../../spec/image/children.ts";
import { hostPlatform } from "../../registry/host_platform.ts";
import { type Descriptor, embeddedData } from "../../spec/image/descriptor.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { type OciError, PlatformError, UnsupportedDigestError } from "../../spec/errors.ts";
import { type Index, type ManifestDocument, MAX_CONFIG_BYTES } from "../../spec/image/manifest.ts";
import { isDocumentMediaType, isIndexMediaType } from "../../spec/image/media_types.ts";
import type { Platform } from "../../spec/platform.ts";
import { choosePlatformByConfig } from "../../spec/image/platform_by_config.ts";
import { isRunnable } from "../../spec/image/platform_choice.ts";
import type { ContentStore } from "../content/content_store.ts";
import { StoreError } from "../errors.ts";
import { ImageArchiveWriter } from "../archives/archive_writer.ts";
import type { ArchiveFormat } from "../archives/image_archive.ts";
import { readStoredDocument } from "../images/stored_document.ts";
import { LayoutWriter } from "./_layout_writer.ts";
import { copyGraph, copyNamed } from "./copy_graph.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import { LayoutContent } from "./layout_content.ts";
import { visitEach } from "./stored_graph.ts";

/** An image in a store to save. */
export interface ImageToSave {
  /** Name in the archive; absent if it gets none. */
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
   * @default {undefined} All if the store has all and the format supports it, else the host's.
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
  if (chosen.length === 0) throw new RangeError("Cannot save images: the list has none");
  for (const { name, descriptor } of chosen) {
    const isWhole = platform === undefined && format !== "docker-archive" &&
      await isComplete(store, descriptor);
    const root = isWhole
      ? descriptor
      : await choose(store, descriptor, platform, name ?? descriptor.digest);
    saved.push({ name, descriptor: root, isPart: root.digest !== descriptor.digest });
  }
  const source = new LayoutContent(store);
  const copyOptions: CopyGraphOptions = {
    ...hooks,
    // Blobs are written one after another, so that the same images give the same bytes.
    jobs: 1,
    foreignLayers: "copy",
    successors: async (node, all) => {
      const wanted = await successors?.(node, all) ?? all;
      const isThere = await Promise.all(wanted.map((child) => isCopied(store, child)));
      return wanted.filter((_, i) => isThere[i]);
    },
  };
  const written: SavedImage[] = [];
  for (const { name, descriptor, isPart } of saved) {
    const copied = name === undefined
      ? await copyGraph(source, writer, descriptor, copyOptions)
      : await copyNamed(source, writer, descriptor, name, copyOptions);
    if (name === undefined) await writer.keep(copied);
    const { mediaType, digest, size } = copied;
    written.push({ name, descriptor: { ...descriptor, mediaType, digest, size }, isPart });
  }
  await writer.commit();
  return written;
}

/** Returns whether a blob is copied. Throws if it is missing and has no URLs. */
async function isCopied(store: ContentStore, descriptor: Descriptor): Promise<boolean> {
  if (await isElsewhere(store, descriptor)) return false;
  if (await store.has(descriptor) || embeddedData(descriptor) !== undefined) return true;
  throw missing(store, descriptor.digest);
}

/** Whether a blob is only at its URLs, such as a base layer of Windows. */
async function isElsewhere(store: ContentStore, descriptor: Descriptor): Promise<boolean> {
  return descriptor.urls !== undefined && !await store.has(descriptor.digest);
}

async function readDocument(
  store: ContentStore,
  descriptor: Descriptor,
): Promise<ManifestDocument> {
  const document = await readStoredDocument(store, descriptor);
  if (document === undefined) throw missing(store, descriptor.digest);
  return document.value;
}

/** Whether the store has a document and everything that it references. */
async function isComplete(store: ContentStore, descriptor: Descriptor): Promise<boolean> {
  return await visitEach(descriptor, async (next) => {
    if (!await store.has(next)) return await isElsewhere(store, next) ? [] : undefined;
    if (!isDocumentMediaType(next.mediaType)) return [];
    return childrenOf(await readDocument(store, next));
  });
}

/** Returns the manifest for a platform; by default that of the host, or else a complete one. */
async function choose(
  store: ContentStore,
  descriptor: Descriptor,
  platform: Platform | undefined,
  name: string,
): Promise<Descriptor> {
  let chosen = descriptor;
  while (isIndexMediaType(chosen.mediaType)) {
    const { kind, value } = await readDocument(store, chosen);
    if (kind !== "index") break;
    chosen = platform === undefined
      ? await chooseComplete(store, value)
      : await chooseEntry(store, value, platform, name);
  }
  return chosen;
}

async function chooseComplete(store: ContentStore, index: Index): Promise<Descriptor> {
  const runnable = index.manifests.filter(isRunnable);
  const there = await Promise.all(runnable.map((entry) => isComplete(store, entry)));
  const manifests = runnable.filter((_, i) => there[i]);
  const [first] = manifests;
  if (first === undefined) return await chooseEntry(store, index, hostPlatform());
  try {
    return await chooseEntry(store, { ...index, manifests }, hostPlatform());
  } catch (error) {
    if (error instanceof PlatformError) return first;
    throw error;
  }
}

function chooseEntry(
  store: ContentStore,
  index: Index,
  platform: Platform,
  subject?: string,
): Promise<Descriptor> {
  const read = (descriptor: Descriptor) => {
    return store.readBlob(descriptor, { maxBytes: MAX_CONFIG_BYTES });
  };
  return choosePlatformByConfig(index, platform, { subject, read });
}

function missing(store: ContentStore, digest: Digest): OciError {
  if (!isDigest(digest)) return new UnsupportedDigestError(digest);
  return new StoreError(`it does not have ${digest}`, store.path, {
    code: "missing-content",
    action: `save from "${store.path}"`,
    subject: digest,
    advice: "Pull the image again",
  });
}
