import type { Digest } from "../../spec/digest.ts";
import { unlessThrown } from "../../spec/error_facts.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { parseImageConfig } from "../../spec/image/image_config.ts";
import {
  type Index,
  type Manifest,
  MAX_CONFIG_BYTES,
  MAX_INDEX_DEPTH,
} from "../../spec/image/manifest.ts";
import { isConfigMediaType, isIndexMediaType } from "../../spec/image/media_types.ts";
import { isRunnable } from "../../spec/image/platform_choice.ts";
import { formatPlatform } from "../../spec/platform.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import {
  CONTAINERD_NAME,
  REF_NAME,
  type StoredReference,
} from "../../store/content/layout_index.ts";
import { readStoredDocument } from "../../store/images/stored_document.ts";
import { imageSize } from "../terminal/format.ts";

/** One platform of an image in the store, possibly incomplete. */
export interface StoredPlatform {
  /** Platform, such as `linux/arm64`. */
  readonly platform: string;
  /** Digest of its manifest. */
  readonly digest: Digest;
  /** Compressed size of config and layers in bytes; 0 if the manifest is missing. */
  readonly size: number;
  readonly complete: boolean;
}

/** Content of a reference in the store. */
export interface StoredImage {
  /** `null` if it has no name. */
  readonly reference: string | null;
  /** Digest of the index of a multi-platform image, else of the manifest. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Size of the configs and layers of the complete platforms in bytes, each counted once. */
  readonly size: number;
  /** Part of `size` that other images in the store share. */
  readonly sharedSize: number;
  /** Part of `size` that removing this image, with all its names, would free. */
  readonly uniqueSize: number;
  /** All platforms of the image, present or not. */
  readonly platforms: readonly StoredPlatform[];
}

/** A stored image and the sizes of the configs and layers of its complete platforms. */
export interface StoredContent {
  readonly image: Omit<StoredImage, "sharedSize" | "uniqueSize">;
  readonly blobs: ReadonlyMap<Digest, number>;
}

/** Adds the shared and unique sizes. Names of the same document count as one image. */
export function withShares(contents: readonly StoredContent[]): readonly StoredImage[] {
  const users = new Map<Digest, Set<Digest>>();
  for (const { image, blobs } of contents) {
    for (const digest of blobs.keys()) {
      users.getOrInsertComputed(digest, () => new Set()).add(image.digest);
    }
  }
  return contents.map(({ image, blobs }) => {
    const { reference, digest, mediaType, size, platforms } = image;
    let sharedSize = 0;
    for (const [blob, bytes] of blobs) if ((users.get(blob)?.size ?? 0) > 1) sharedSize += bytes;
    const uniqueSize = size - sharedSize;
    return { reference, digest, mediaType, size, sharedSize, uniqueSize, platforms };
  });
}

/** A document in a store, with the name that it has there, if any. */
export type StoredEntry = Omit<StoredReference, "name"> & { readonly name: string | null };

/** Lists the documents in a store: those with a name, and then those without. */
export async function storedEntries(store: ContentStore): Promise<readonly StoredEntry[]> {
  const unnamed = (await store.descriptors()).filter(({ annotations = {} }) => {
    return annotations[REF_NAME] === undefined && annotations[CONTAINERD_NAME] === undefined;
  });
  return [
    ...await store.references(),
    ...unnamed.map((descriptor) => ({ name: null, descriptor })),
  ];
}

/** Describes the stored parts of a document, without hashing layers. */
export async function describeStored(
  store: ContentStore,
  { name, descriptor }: StoredEntry,
): Promise<StoredContent> {
  const blobs = new Map<Digest, number>();
  const platforms = await describe(store, descriptor, { depth: 0, blobs, indexes: new Set() });
  const { digest, mediaType } = descriptor;
  const size = blobs.values().reduce((sum, bytes) => sum + bytes, 0);
  return { image: { reference: name, digest, mediaType, size, platforms }, blobs };
}

/** Position in nested indexes, and the findings so far. */
interface Walk {
  readonly depth: number;
  /** Blobs of complete platforms. */
  readonly blobs: Map<Digest, number>;
  /** Indexes seen so far. Each is described once, because indexes may repeat an entry. */
  readonly indexes: Set<Digest>;
}

async function describe(
  store: ContentStore,
  descriptor: Descriptor,
  walk: Walk,
): Promise<readonly StoredPlatform[]> {
  const document = await readStoredDocument(store, descriptor);
  if (document === undefined) return [missing(descriptor)];
  const { kind, value } = document.value;
  if (kind === "manifest") return [await describeManifest(store, descriptor, value, walk)];
  return walk.depth < MAX_INDEX_DEPTH ? await describeIndex(store, value, walk) : [];
}

async function describeIndex(
  store: ContentStore,
  index: Index,
  { depth, indexes, ...walk }: Walk,
): Promise<readonly StoredPlatform[]> {
  const entries = index.manifests.filter(isRunnable).filter(({ mediaType, digest }) => {
    if (!isIndexMediaType(mediaType)) return true;
    const isNew = !indexes.has(digest);
    indexes.add(digest);
    return isNew;
  });
  const inner = { depth: depth + 1, indexes, ...walk };
  return (await Promise.all(entries.map((entry) => describe(store, entry, inner)))).flat();
}

async function describeManifest(
  store: ContentStore,
  descriptor: Descriptor,
  manifest: Manifest,
  { blobs }: Walk,
): Promise<StoredPlatform> {
  const parts = [manifest.config, ...manifest.layers];
  const there = await Promise.all(parts.map((part) => store.has(part)));
  const complete = !there.includes(false);
  if (complete) {
    for (const { digest, size } of parts) blobs.set(digest, size);
  }
  return {
    platform: await platformName(store, descriptor, manifest),
    digest: descriptor.digest,
    size: imageSize(manifest),
    complete,
  };
}

/** Returns the platform from the index, or else from the config. */
async function platformName(
  store: ContentStore,
  { platform }: Descriptor,
  { config }: Manifest,
): Promise<string> {
  if (platform !== undefined) return formatPlatform(platform);
  // Configs of artifacts can have any content and size.
  if (!isConfigMediaType(config.mediaType) || config.size > MAX_CONFIG_BYTES) return "";
  const bytes = await store.readBlob(config);
  if (bytes === undefined) return "";
  // An artifact may claim to have the config of an image.
  const image = unlessThrown(() => parseImageConfig(bytes), SyntaxError);
  return image === undefined ? "" : formatPlatform(image.platform);
}

function missing({ platform, digest }: Descriptor): StoredPlatform {
  const name = platform === undefined ? "" : formatPlatform(platform);
  return { platform: name, digest, size: 0, complete: false };
}
