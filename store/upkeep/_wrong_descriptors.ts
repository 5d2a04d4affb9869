import type { Digest } from "../../spec/digest.ts";
import { childrenOf } from "../../spec/image/children.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { StoredReference } from "../content/layout_index.ts";
import { readStoredDocument } from "../images/stored_document.ts";

/**
 * Finds content whose size or media type differs from that in the manifest or index that references
 * it. Its digest is right, so the reference is wrong. Returns the names that lead to it.
 */
export async function withWrongDescriptors(
  store: ContentStore,
  references: readonly StoredReference[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<Digest, readonly string[]>> {
  const found = new Map<Digest, string[]>();
  for (const [root, same] of Map.groupBy(references, ({ descriptor }) => descriptor.digest)) {
    const names = same.map(({ name }) => name);
    for (const digest of await wrongBelow(store, root, signal)) {
      found.getOrInsert(digest, []).push(...names);
    }
  }
  return found;
}

async function wrongBelow(
  store: ContentStore,
  root: Digest,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<Digest>> {
  const wrong = new Set<Digest>();
  const seen = new Set([root]);
  const pending = [await readIfIntact(store, root)];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const child of childrenOf(next.value)) {
      signal?.throwIfAborted();
      const document = isDocumentMediaType(child.mediaType)
        ? await readIfIntact(store, child.digest)
        : undefined;
      if (await isWrong(store, child, document)) wrong.add(child.digest);
      if (document !== undefined && !seen.has(child.digest)) pending.push(document);
      seen.add(child.digest);
    }
  }
  return wrong;
}

async function isWrong(
  store: ContentStore,
  child: Descriptor,
  document: ImageDocument<ManifestDocument> | undefined,
): Promise<boolean> {
  if (document !== undefined && document.descriptor.mediaType !== child.mediaType) return true;
  return await store.has(child.digest) && !await store.has(child);
}

async function readIfIntact(
  store: ContentStore,
  digest: Digest,
): Promise<ImageDocument<ManifestDocument> | undefined> {
  try {
    return await readStoredDocument(store, { digest });
  } catch {
    // Damage is found by the digests, and documents of other versions are not damaged.
    return undefined;
  }
}
