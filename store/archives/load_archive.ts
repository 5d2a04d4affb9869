import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import type { ContentStore } from "../content/content_store.ts";
import { referenceOfNames } from "../images/layout_client.ts";
import {
  type ArchivedDocument,
  ImageArchive,
  type OpenImageArchiveOptions,
} from "./image_archive.ts";

/** Options for {@linkcode loadArchive}. */
export interface LoadArchiveOptions extends Omit<OpenImageArchiveOptions, "spoolDirectory"> {
  /** Called with the bytes that have been read of the archive, and how many there are to read. */
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
}

/** An image that was loaded. */
export interface LoadedImage {
  /** Its name in the store; absent if the archive has none for it. */
  readonly reference: Reference | undefined;
  /** Its index or manifest. */
  readonly descriptor: Descriptor;
}

/**
 * Loads every image of an archive into a store. All of it is verified before anything is stored,
 * and names are recorded last.
 *
 * A full name is kept. A name that is only a tag becomes `localhost/ARCHIVE:TAG`, after the name of
 * the file. An image without a name is stored without one.
 *
 * @param store Where to.
 * @param path The archive, `-` for stdin; only its name if it comes from `input`.
 * @param options Format, and how to stop.
 * @returns The images, in the order of the archive.
 * @throws {ArchiveError} If the archive is damaged, hostile, or holds no images.
 *
 * @example Load what docker saved
 * ```ts no-assert
 * import { ContentStore, loadArchive } from "@x/oci/store";
 *
 * async function load(directory: string): Promise<void> {
 *   const store = await ContentStore.open(directory);
 *   for (const { reference, descriptor } of await loadArchive(store, "app.tar")) {
 *     console.log(reference?.repository, descriptor.digest);
 *   }
 * }
 * ```
 */
export async function loadArchive(
  store: ContentStore,
  path: string,
  options: LoadArchiveOptions = {},
): Promise<readonly LoadedImage[]> {
  const { signal, onBytes } = options;
  using archive = await ImageArchive.open(path, {
    ...options,
    spoolDirectory: `${store.path}/ingest`,
  });
  const roots: ArchivedDocument[] = [];
  for (const { descriptor } of archive.images) {
    roots.push(await archive.document(descriptor, { signal }));
  }
  const blobs = [...new Map(roots.flatMap(blobsOf).map((blob) => [blob.digest, blob])).values()];
  const missing = await missingBlobs(store, blobs);
  // Each is read twice: to verify it, and to store it.
  const total = 2 * missing.reduce((sum, { size }) => sum + size, 0);
  let bytes = 0;
  const count = (size: number) => onBytes?.(bytes += size, total);
  for (const blob of missing) {
    await archive.verify(blob, { signal });
    count(blob.size);
  }
  for (const blob of missing) {
    await store.ingest(blob, (reading) => archive.fetch(blob, reading), { signal });
    count(blob.size);
  }
  const stored = new Set<Digest>();
  for (const root of roots) await storeDocument(store, root, stored, signal);
  return await nameImages(store, archive, signal);
}

/** The blobs that documents name: configs and layers. */
function blobsOf({ blobs, documents }: ArchivedDocument): readonly Descriptor[] {
  return [...blobs, ...documents.flatMap(blobsOf)];
}

async function missingBlobs(
  store: ContentStore,
  blobs: readonly Descriptor[],
): Promise<readonly Descriptor[]> {
  const there = await Promise.all(blobs.map((blob) => isIntact(store, blob)));
  return blobs.filter((_, i) => !there[i]);
}

async function isIntact(store: ContentStore, blob: Descriptor): Promise<boolean> {
  try {
    return await store.verify(blob);
  } catch {
    // Storing it replaces a corrupt one, and says what else is wrong.
    return false;
  }
}

/** Stores documents from the inside out. */
async function storeDocument(
  store: ContentStore,
  { descriptor, bytes, documents }: ArchivedDocument,
  stored: Set<Digest>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (stored.has(descriptor.digest)) return;
  for (const child of documents) await storeDocument(store, child, stored, signal);
  await store.putBytes(descriptor, bytes, signal);
  stored.add(descriptor.digest);
}

async function nameImages(
  store: ContentStore,
  archive: ImageArchive,
  signal: AbortSignal | undefined,
): Promise<readonly LoadedImage[]> {
  const loaded: LoadedImage[] = [];
  for (const { descriptor, names } of archive.images) {
    const reference = referenceOfNames(archive.path, names);
    if (reference === undefined) await store.keep(descriptor, signal);
    else await store.tag(formatReference(reference), descriptor, signal);
    loaded.push({ reference, descriptor });
  }
  return loaded;
}
