import type { Digest } from "../../spec/digest.ts";
import { BlobFiles } from "../blobs/blob_files.ts";
import type { ContentStore } from "./content_store.ts";

/** Returns the decompressed archives of the layers in a store, by their DiffIDs. */
export function tarballsOf({ path }: Pick<ContentStore, "path">): BlobFiles {
  return new BlobFiles(`${path}/tarballs`, `${path}/tarballs/verified`);
}

/**
 * Returns the path of the decompressed archive of a layer, if a store has one that has not changed
 * since it was verified.
 */
export function verifiedTarball(store: ContentStore, diffId: Digest): string | undefined {
  const tarballs = tarballsOf(store);
  return !store.foreign && tarballs.isMarked(diffId) ? tarballs.pathOf(diffId) : undefined;
}
