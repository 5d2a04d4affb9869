import type { Descriptor } from "../../spec/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import { parseImageConfig } from "../../spec/image_config.ts";
import {
  type Index,
  type Manifest,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/manifest.ts";
import { formatPlatform } from "../../spec/platform.ts";
import { isRunnable } from "../../spec/platform_choice.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import {
  CONTAINERD_NAME,
  REF_NAME,
  type StoredReference,
} from "../../store/content/layout_index.ts";
import { imageSize } from "../terminal/format.ts";

/** A single-platform image in the store, possibly incomplete. */
export interface StoredPlatform {
  /** Platform, such as `linux/arm64`. */
  readonly platform: string;
  /** Digest of its manifest. */
  readonly digest: Digest;
  /** Compressed size of config and layers in bytes; 0 if the manifest is missing. */
  readonly size: number;
  /** Whether the image is complete. */
  readonly complete: boolean;
}

/** Content of a reference in the store. */
export interface StoredImage {
  /** `null` if it has no name. */
  readonly reference: string | null;
  /** Digest of the index of a multi-platform image, else of the manifest. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Size of the complete platforms in bytes. */
  readonly size: number;
  /** All platforms of the image, present or not. */
  readonly platforms: readonly StoredPlatform[];
}

/** Maximum depth of nested indexes. */
const MAX_DEPTH = 8;

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

/** Describes what the store has of a document, without hashing layers. */
export async function describeStored(
  store: ContentStore,
  { name, descriptor }: StoredEntry,
): Promise<StoredImage> {
  const platforms = await describe(store, descriptor, 0);
  const complete = platforms.filter((platform) => platform.complete);
  return {
    reference: name,
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    size: complete.reduce((size, platform) => size + platform.size, 0),
    platforms,
  };
}

async function describe(
  store: ContentStore,
  descriptor: Descriptor,
  depth: number,
): Promise<readonly StoredPlatform[]> {
  const bytes = await store.readBlob(descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  if (bytes === undefined) return [missing(descriptor)];
  const { kind, value } = parseManifest(bytes, descriptor.mediaType);
  if (kind === "manifest") return [await describeManifest(store, descriptor, value)];
  return depth < MAX_DEPTH ? await describeIndex(store, value, depth) : [];
}

async function describeIndex(
  store: ContentStore,
  index: Index,
  depth: number,
): Promise<readonly StoredPlatform[]> {
  const entries = index.manifests.filter(isRunnable);
  return (await Promise.all(entries.map((entry) => describe(store, entry, depth + 1)))).flat();
}

async function describeManifest(
  store: ContentStore,
  descriptor: Descriptor,
  manifest: Manifest,
): Promise<StoredPlatform> {
  const parts = [manifest.config, ...manifest.layers];
  const there = await Promise.all(parts.map((part) => store.has(part)));
  return {
    platform: await platformName(store, descriptor, manifest),
    digest: descriptor.digest,
    size: imageSize(manifest),
    complete: !there.includes(false),
  };
}

/** Returns the platform from the index, or else from the config. */
async function platformName(
  store: ContentStore,
  { platform }: Descriptor,
  { config }: Manifest,
): Promise<string> {
  if (platform !== undefined) return formatPlatform(platform);
  const bytes = await store.readBlob(config);
  if (bytes === undefined) return "";
  try {
    return formatPlatform(parseImageConfig(bytes).platform);
  } catch (error) {
    // An artifact has another kind of config, and no platform.
    if (error instanceof SyntaxError) return "";
    throw error;
  }
}

function missing({ platform, digest }: Descriptor): StoredPlatform {
  const name = platform === undefined ? "" : formatPlatform(platform);
  return { platform: name, digest, size: 0, complete: false };
}
