import { parseStoredName } from "../content/layout_index.ts";
import { childrenOf } from "../../spec/image/children.ts";
import type { Repository } from "../../registry/reference.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { MAX_INDEX_DEPTH, MAX_MANIFEST_BYTES, parseManifest } from "../../spec/image/manifest.ts";
import { isDocumentMediaType, layerMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";

/**
 * Returns whether a store has a document and everything that it leads to, except non-distributable
 * layers. Blobs are not hashed.
 */
export async function isStored(
  store: ContentStore,
  descriptor: Descriptor,
  depth = 0,
): Promise<boolean> {
  if (isForeign(descriptor)) return true;
  if (!isDocumentMediaType(descriptor.mediaType) || depth > MAX_INDEX_DEPTH) {
    return await store.has(descriptor);
  }
  const successors = await successorsOf(store, descriptor);
  if (successors === undefined) return false;
  for (const successor of successors) {
    if (!await isStored(store, successor, depth + 1)) return false;
  }
  return true;
}

/**
 * Finds blobs that can be mounted from another repository of the same registry, by the names in a
 * store.
 *
 * @returns The repositories, by the digest of the blob.
 */
export async function storedMounts(
  store: ContentStore,
  { registry, repository }: Repository,
): Promise<Map<string, string>> {
  const mounts = new Map<string, string>();
  for (const { name, descriptor } of await store.references()) {
    const place = parseStoredName(name);
    if (place?.registry !== registry || place.repository === repository) continue;
    await collect(store, descriptor, (digest) => mounts.set(digest, place.repository), 0);
  }
  return mounts;
}

async function collect(
  store: ContentStore,
  descriptor: Descriptor,
  add: (digest: string) => void,
  depth: number,
): Promise<void> {
  if (!isDocumentMediaType(descriptor.mediaType)) return add(descriptor.digest);
  if (depth > MAX_INDEX_DEPTH) return;
  for (const successor of await successorsOf(store, descriptor) ?? []) {
    await collect(store, successor, add, depth + 1);
  }
}

async function successorsOf(
  store: ContentStore,
  descriptor: Descriptor,
): Promise<readonly Descriptor[] | undefined> {
  const bytes = await store.readBlob(descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  if (bytes === undefined) return undefined;
  return childrenOf(parseManifest(bytes, descriptor.mediaType));
}

function isForeign({ mediaType, urls = [] }: Descriptor): boolean {
  return urls.length > 0 && layerMediaType(mediaType)?.nondistributable === true;
}
