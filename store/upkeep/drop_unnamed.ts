import type { Digest } from "../../spec/digest.ts";
import type { ContentStore } from "../content/content_store.ts";
import { LayoutIndex } from "../content/layout_index.ts";

/**
 * Removes entries of `index.json` that have no name. Their content stays in the store until it is
 * pruned.
 *
 * @param store The store.
 * @param digests Digests of the documents.
 * @param signal Aborts the wait for another process.
 */
export async function dropUnnamed(
  { path, onWait }: ContentStore,
  digests: readonly Digest[],
  signal?: AbortSignal,
): Promise<void> {
  const index = new LayoutIndex(path, `${path}/locks/index.lock`, { onWait });
  await index.dropEntries((digest) => digests.includes(digest), signal);
}
