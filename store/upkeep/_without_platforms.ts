import { type Digest, isDigest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isIndexMediaType, isManifestMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { StoredReference } from "../content/layout_index.ts";
import { lstatIfAny } from "../host/files.ts";
import { findReachable } from "./_reachable.ts";

/** Finds named indexes for which the store has none of the manifests. Returns their names. */
export async function withoutPlatforms(
  store: ContentStore,
  references: readonly StoredReference[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<Digest, readonly string[]>> {
  const isThere = ({ digest }: Descriptor) => {
    return isDigest(digest) && lstatIfAny(store.blobPath(digest))?.isFile === true;
  };
  const found = new Map<Digest, readonly string[]>();
  for (const [digest, same] of Map.groupBy(references, ({ descriptor }) => descriptor.digest)) {
    const [{ descriptor } = {}] = same;
    if (descriptor === undefined || !isIndexMediaType(descriptor.mediaType)) continue;
    if (!isThere(descriptor)) continue;
    const { descriptors } = await findReachable(store, [descriptor], { signal });
    // A nested index may be missing, with everything below it.
    const isManifest = ({ mediaType }: Descriptor) => isManifestMediaType(mediaType);
    const children = [...descriptors.values()].filter((child) =>
      isManifest(child) || (isIndexMediaType(child.mediaType) && child.digest !== digest)
    );
    if (children.length === 0) continue;
    if (children.some((child) => isManifest(child) && isThere(child))) continue;
    found.set(digest, same.map(({ name }) => name));
  }
  return found;
}
