import { hostPlatform } from "../../registry/host_platform.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { UnsupportedDigestError } from "../../spec/digest_algorithm.ts";
import { type OciError, PlatformError } from "../../spec/errors.ts";
import {
  type Index,
  type ManifestDocument,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/manifest.ts";
import { isIndexMediaType, isManifestMediaType } from "../../spec/media_types.ts";
import type { Platform } from "../../spec/platform.ts";
import { choosePlatform, isRunnable } from "../../spec/platform_choice.ts";
import type { ContentStore } from "../content/content_store.ts";
import { StoreError } from "../errors.ts";
import { LayoutWriter } from "./_layout_writer.ts";
import { ImageArchiveWriter } from "./archive_writer.ts";
import type { ArchiveFormat } from "./image_archive.ts";

/** An image in a store that is saved. */
export interface ImageToSave {
  /** The name that it gets in the archive; absent if it gets none. */
  readonly name: string | undefined;
  /** Its index or manifest. */
  readonly descriptor: Descriptor;
}

/** An image that was saved. */
export interface SavedImage extends ImageToSave {
  /** Whether it is one platform of an image for several. */
  readonly isPart: boolean;
}

/** Format to save images in: an archive, or an OCI layout in a directory. */
export type SaveFormat = ArchiveFormat | "oci-dir";

/** Options for {@linkcode saveArchive}. */
export interface SaveArchiveOptions {
  /**
   * The format.
   *
   * @default {"oci-archive"}
   */
  readonly format?: SaveFormat | undefined;
  /**
   * The only platform to save.
   *
   * @default {undefined} All, if all are in the store and the format holds them, else the host's.
   */
  readonly platform?: Platform | undefined;
  /** Writes there in place of the file, such as to stdout. */
  readonly output?: { write(bytes: Uint8Array): Promise<void> } | undefined;
  /** Called with the bytes of blobs and documents that have been written so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Stops the work. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Saves images of a store into an archive, which appears under its name when it is complete.
 *
 * An image for several platforms is saved with its index if all of them are in the store and the
 * format is not `docker-archive`. Otherwise one platform is saved, with the manifest as it is. The
 * images are added to an OCI layout that is there already; any other file is replaced.
 *
 * @param store Where the images are.
 * @param images The images, or what brings them into the store, once the file can be written.
 * @param path The file or the directory; only its name if the archive goes to `output`.
 * @param options Format, platform, and how to stop.
 * @returns The documents that were saved, in the same order.
 * @throws {StoreError} If a part of an image is not in the store.
 * @throws {PlatformError} If an image has nothing for the platform.
 */
export async function saveArchive(
  store: ContentStore,
  images: readonly ImageToSave[] | (() => Promise<readonly ImageToSave[]>),
  path: string,
  options: SaveArchiveOptions = {},
): Promise<readonly SavedImage[]> {
  const { format = "oci-archive", platform, output, signal, onBytes } = options;
  await using writer = format === "oci-dir"
    ? await LayoutWriter.create(path)
    : await ImageArchiveWriter.create(path, format, { output });
  const saved: SavedImage[] = [];
  for (const { name, descriptor } of typeof images === "function" ? await images() : images) {
    const isWhole = platform === undefined && format !== "docker-archive" &&
      await isComplete(store, descriptor);
    const root = isWhole
      ? descriptor
      : await choose(store, descriptor, platform, name ?? descriptor.digest);
    saved.push({ name, descriptor: root, isPart: root.digest !== descriptor.digest });
  }
  const copy = new StoreCopy(store, writer, onBytes, signal);
  for (const { name, descriptor } of saved) {
    await copy.copy(descriptor);
    if (name === undefined) await writer.keep(descriptor);
    else await writer.tag(name, descriptor);
  }
  await writer.commit();
  return saved;
}

/** Takes documents and blobs, and lists documents with and without names. */
type ImageWriter = Pick<ImageArchiveWriter, "push">;

/** Copies documents and what they name, inner ones first. */
class StoreCopy {
  readonly #store: ContentStore;
  readonly #writer: ImageWriter;
  readonly #onBytes: ((bytes: number) => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #copied = new Set<Digest>();
  #bytes = 0;

  constructor(
    store: ContentStore,
    writer: ImageWriter,
    onBytes: ((bytes: number) => void) | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#store = store;
    this.#writer = writer;
    this.#onBytes = onBytes;
    this.#signal = signal;
  }

  async copy(descriptor: Descriptor): Promise<void> {
    if (this.#copied.has(descriptor.digest)) return;
    this.#copied.add(descriptor.digest);
    if (isDocument(descriptor)) {
      for (const child of childrenOf(await readDocument(this.#store, descriptor))) {
        if (await isForeign(this.#store, child)) continue;
        await this.copy(child);
      }
    }
    const { digest } = descriptor;
    if (!await this.#store.has(descriptor)) throw missing(this.#store, digest);
    await this.#writer.push(descriptor, (options) => this.#store.openBlob(digest, options), {
      signal: this.#signal,
      onBytes: (bytes) => this.#onBytes?.(this.#bytes + bytes),
    });
    this.#bytes += descriptor.size;
  }
}

function isDocument({ mediaType }: Descriptor): boolean {
  return isIndexMediaType(mediaType) || isManifestMediaType(mediaType);
}

function childrenOf({ kind, value }: ManifestDocument): readonly Descriptor[] {
  return kind === "index" ? value.manifests : [value.config, ...value.layers];
}

/** Layers of Windows may lie elsewhere. */
async function isForeign(store: ContentStore, descriptor: Descriptor): Promise<boolean> {
  return descriptor.urls !== undefined && !await store.has(descriptor.digest);
}

async function readDocument(
  store: ContentStore,
  descriptor: Descriptor,
): Promise<ManifestDocument> {
  const bytes = await store.readBlob(descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  if (bytes === undefined) throw missing(store, descriptor.digest);
  return parseManifest(bytes, descriptor.mediaType);
}

/** Whether the store has all that a document names. */
async function isComplete(store: ContentStore, descriptor: Descriptor): Promise<boolean> {
  if (!await store.has(descriptor)) return await isForeign(store, descriptor);
  if (!isDocument(descriptor)) return true;
  for (const child of childrenOf(await readDocument(store, descriptor))) {
    if (!await isComplete(store, child)) return false;
  }
  return true;
}

/** The manifest for a platform; by default, for the host's, or else for one that is complete. */
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
      : choosePlatform(value, platform, `"${name}"`);
  }
  return chosen;
}

async function chooseComplete(store: ContentStore, index: Index): Promise<Descriptor> {
  const runnable = index.manifests.filter(isRunnable);
  const there = await Promise.all(runnable.map((entry) => isComplete(store, entry)));
  const manifests = runnable.filter((_, i) => there[i]);
  const [first] = manifests;
  if (first === undefined) return choosePlatform(index, hostPlatform(), "the image");
  try {
    return choosePlatform({ ...index, manifests }, hostPlatform(), "the image");
  } catch (error) {
    if (error instanceof PlatformError) return first;
    throw error;
  }
}

function missing(store: ContentStore, digest: Digest): OciError {
  if (!isDigest(digest)) return new UnsupportedDigestError(digest);
  return new StoreError(`Cannot save from "${store.path}": it does not have ${digest}`, store.path);
}
