import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { checkPath } from "../../spec/error_facts.ts";
import type { ContentSource, ContentTarget } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import {
  type ArchivedDocument,
  ImageArchive,
  type OpenImageArchiveOptions,
} from "../archives/image_archive.ts";
import { ContentStore } from "../content/content_store.ts";
import { ArchiveError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import { referenceOfNames } from "../images/layout_client.ts";
import { type ArchivedImage, listedImages, rootsOf } from "../images/listed_images.ts";
import { copyGraph } from "./copy_graph.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import { LayoutContent } from "./layout_content.ts";
import { presentIn } from "./stored_graph.ts";

/** Options for {@linkcode loadArchive}. */
export interface LoadArchiveOptions
  extends
    Omit<OpenImageArchiveOptions, "spoolDirectory">,
    Omit<CopyGraphOptions, "foreignLayers" | "withReferrers"> {
  /**
   * Called before anything is stored, with the number of bytes verified so far. The total of a
   * layout grows while its documents are read.
   */
  readonly onVerify?: ((bytes: number, total: number) => void) | undefined;
}

/** An image that was loaded. */
export interface LoadedImage {
  /** Its name in the store; absent if the archive has none for it. */
  readonly reference: Reference | undefined;
  /** Its index or manifest. */
  readonly descriptor: Descriptor;
}

/**
 * Loads every image of an archive, or of an OCI image layout in a directory, into a store. All of
 * it is verified before anything is stored, and names are recorded last.
 *
 * A full name is kept. A name that is only a tag becomes `localhost/ARCHIVE:TAG`, where `ARCHIVE` is
 * the name of the file. An image without a name is stored without one.
 *
 * @param store Target store.
 * @param path The archive or the layout, `-` for stdin; only its name if it comes from `input`.
 * @param options Format and abort signal.
 * @returns The images, in the order of the archive.
 * @throws {ArchiveError} If the archive is damaged, hostile, or holds no images.
 * @throws {StoreError} If the `index.json` of the store is invalid.
 *
 * @example Load what docker saved
 * ```ts
 * import { ContentStore, loadArchive } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const store = await ContentStore.open("./store");
 *
 * const [image] = await loadArchive(store, "./app.tar");
 *
 * assertEquals(image?.reference?.repository, "library/app");
 * ```
 */
export async function loadArchive(
  store: ContentStore,
  path: string,
  options: LoadArchiveOptions = {},
): Promise<readonly LoadedImage[]> {
  const { format, input, successors, signal } = options;
  checkPath("load an archive", path);
  // An index that cannot be changed would be an error only once all content is there.
  await store.references();
  const mayBeLayout = input === undefined && format !== "docker-archive" && path !== "-";
  if (mayBeLayout && isLayout(path)) {
    using _hold = await store.hold(signal);
    return await storeImages(store, await openVerifiedLayout(store, path, options), options);
  }
  const spoolDirectory = `${store.path}/ingest`;
  using archive = await ImageArchive.open(path, { ...options, spoolDirectory });
  const { images } = archive;
  const roots: ArchivedDocument[] = [];
  for (const root of rootsOf(images)) roots.push(await archive.document(root, { signal }));
  await verifyMissing(store, archive, roots, options);
  // Content without a name must not be pruned yet.
  using _hold = await store.hold(signal);
  const source: LoadSource = {
    path: archive.path,
    images,
    content: archive,
    successors: async (node, all) => {
      return (await successors?.(node, all) ?? all).filter((child) => archive.includes(child));
    },
  };
  return await storeImages(store, source, options);
}

/** Images to load, all of which have been verified. */
interface LoadSource {
  /** Path of the archive or the layout. */
  readonly path: string;
  readonly images: readonly ArchivedImage[];
  readonly content: ContentSource;
  /** Chooses the successors of a document to load. */
  readonly successors: NonNullable<CopyGraphOptions["successors"]>;
}

/** Whether a path is a directory with the index of an OCI image layout. */
function isLayout(path: string): boolean {
  // Look for the path itself first: if it cannot be read, the error names what the caller named.
  return lstatIfAny(path) !== undefined && lstatIfAny(`${path}/index.json`) !== undefined;
}

/**
 * Opens a layout, and verifies the content of its images that a store lacks. Manifests of an index
 * may be missing, as in an archive.
 *
 * @throws {ArchiveError} If it holds no images.
 */
async function openVerifiedLayout(
  store: ContentStore,
  path: string,
  { successors, onVerify, signal }: LoadArchiveOptions,
): Promise<LoadSource> {
  const layout = await ContentStore.open(path, { foreign: true });
  const images = listedImages(await layout.descriptors());
  if (images.length === 0) throw new ArchiveError(path, "format", "it holds no images");
  const content = new LayoutContent(layout);
  const source: LoadSource = {
    path,
    images,
    content,
    successors: async (node, all) => {
      return await presentIn(layout, node, await successors?.(node, all) ?? all);
    },
  };
  const options = { signal, foreignLayers: "copy", successors: source.successors } as const;
  const target = discarding(new LayoutContent(store), onVerify);
  for (const root of rootsOf(images)) await copyGraph(content, target, root, options);
  return source;
}

/**
 * Returns a target that reads, and so verifies, what another target lacks, and stores nothing.
 *
 * @param onVerify Called with the number of bytes verified, and of those known to be missing.
 */
function discarding(
  target: ContentTarget,
  onVerify: LoadArchiveOptions["onVerify"],
): ContentTarget {
  let [verified, total] = [0, 0];
  return {
    exists: async (descriptor, options) => {
      const isThere = await target.exists(descriptor, options);
      if (!isThere) total += descriptor.size;
      return isThere;
    },
    push: async (_descriptor, open, { signal } = {}) => {
      for await (const { length } of await open({ reuseMemory: true, signal })) {
        onVerify?.(verified += length, total);
      }
    },
  };
}

/** Verifies the blobs of documents that a store lacks. */
async function verifyMissing(
  store: ContentStore,
  archive: ImageArchive,
  roots: readonly ArchivedDocument[],
  { onVerify, signal }: LoadArchiveOptions,
): Promise<void> {
  const content = new LayoutContent(store);
  const missing: Descriptor[] = [];
  for (const blob of blobsOf(roots)) {
    if (!await content.exists(blob, { signal })) missing.push(blob);
  }
  const total = missing.reduce((sum, { size }) => sum + size, 0);
  let verified = 0;
  for (const blob of missing) {
    await archive.verify(blob, { signal });
    onVerify?.(verified += blob.size, total);
  }
}

/**
 * Returns the blobs of documents and of the documents that they reference, each once: configs and
 * layers.
 */
function blobsOf(roots: readonly ArchivedDocument[]): readonly Descriptor[] {
  // Visit each once: indexes may list the same documents.
  const all = new Set(roots);
  for (const { documents } of all) for (const document of documents) all.add(document);
  const blobs = [...all].flatMap(({ blobs }) => blobs);
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

/** Stores the images of a source, and then their names. */
async function storeImages(
  store: ContentStore,
  { path, images, content, successors }: LoadSource,
  options: CopyGraphOptions,
): Promise<readonly LoadedImage[]> {
  const target = new LayoutContent(store);
  const copying: CopyGraphOptions = { ...options, foreignLayers: "copy", successors };
  const stored = new Map<Digest, Descriptor>();
  for (const root of rootsOf(images)) {
    stored.set(root.digest, await copyGraph(content, target, root, copying));
  }
  const loaded = images.map(({ names, descriptor }): LoadedImage => ({
    reference: referenceOfNames(path, names, descriptor.digest),
    descriptor: { ...descriptor, ...stored.get(descriptor.digest) },
  }));
  const entries = loaded.map(({ reference, descriptor }) => ({
    name: reference && formatReference(reference),
    descriptor,
  }));
  await store.record(entries, options.signal);
  return loaded;
}
