import type { Digest } from "../../spec/digest.ts";
import {
  isDocumentMediaType,
  isIndexMediaType,
  isManifestMediaType,
} from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { StoredReference } from "../content/layout_index.ts";
import { findReachable } from "./_reachable.ts";

/** Finds named indexes for which the store has none of the manifests. Returns their names. */
export async function withoutPlatforms(
  store: ContentStore,
  references: readonly StoredReference[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<Digest, readonly string[]>> {
  const found = new Map<Digest, readonly string[]>();
  for (const [digest, same] of Map.groupBy(references, ({ descriptor }) => descriptor.digest)) {
    const [{ descriptor } = {}] = same;
    if (descriptor === undefined || !isIndexMediaType(descriptor.mediaType)) continue;
    if (!await store.has(digest)) continue;
    const { descriptors } = await findReachable(store, [descriptor], { signal });
    // A nested index may be missing, with everything below it.
    const children = [...descriptors.values()].filter((child) => {
      return child.digest !== digest && isDocumentMediaType(child.mediaType);
    });
    if (children.length === 0) continue;
    const manifests = children.filter(({ mediaType }) => isManifestMediaType(mediaType));
    const isThere = await Promise.all(manifests.map((manifest) => store.has(manifest.digest)));
    if (isThere.includes(true)) continue;
    found.set(digest, same.map(({ name }) => name));
  }
  return found;
}
