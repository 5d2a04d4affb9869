import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import {
  isDocumentMediaType,
  isIndexMediaType,
  isManifestMediaType,
} from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import { readStoredDocument } from "../images/stored_document.ts";
import { findReachable } from "./_reachable.ts";

/** What is wrong with a document although nothing that must be there is missing or corrupt. */
export interface GraphFaults {
  /**
   * Content whose size or media type differs from that in the manifest or index that references it.
   * Its digest is right, so the reference is wrong.
   */
  readonly mismatched: readonly Descriptor[];
  /** Whether it is an index, and the store has none of its manifests. */
  readonly lacksPlatforms: boolean;
}

/** Checks everything that a document references, directly or not. */
export async function findGraphFaults(
  store: ContentStore,
  root: Descriptor,
  signal: AbortSignal | undefined,
): Promise<GraphFaults> {
  const mismatched = new Map<Digest, Descriptor>();
  const documents: Descriptor[] = [];
  const onDescriptor = async (descriptor: Descriptor) => {
    if (descriptor === root) return;
    if (isDocumentMediaType(descriptor.mediaType)) documents.push(descriptor);
    if (await isMismatched(store, descriptor)) mismatched.set(descriptor.digest, descriptor);
  };
  await findReachable(store, [root], { onDescriptor, signal });
  // A nested index may be missing, with everything below it.
  const mayLack = isIndexMediaType(root.mediaType) && documents.length > 0;
  const manifests = documents.filter(({ mediaType }) => isManifestMediaType(mediaType));
  const isThere = await Promise.all(manifests.map(({ digest }) => store.has(digest)));
  return {
    mismatched: [...mismatched.values()],
    lacksPlatforms: mayLack && !isThere.includes(true) && await store.has(root.digest),
  };
}

async function isMismatched(store: ContentStore, descriptor: Descriptor): Promise<boolean> {
  const { mediaType, digest } = descriptor;
  if (!await store.has(digest)) return false;
  if (!await store.has(descriptor)) return true;
  return isDocumentMediaType(mediaType) &&
    (await readTypeIfIntact(store, digest) ?? mediaType) !== mediaType;
}

async function readTypeIfIntact(
  store: ContentStore,
  digest: Digest,
): Promise<string | undefined> {
  try {
    return (await readStoredDocument(store, { digest }))?.descriptor.mediaType;
  } catch {
    // Damage is found by the digests, and documents of other versions are not damaged.
    return undefined;
  }
}
