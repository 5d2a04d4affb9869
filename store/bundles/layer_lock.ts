import type { ContentStore } from "../content/content_store.ts";
import { lockFile } from "../host/file_lock.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";

/**
 * Locks the extracted and uncompressed layers of a store. Processes that use them share the lock
 * from the lookup until their use is recorded. Removing layers requires an exclusive lock. It is an
 * flock, so it ends with its owner.
 */
export async function lockLayers(
  { path, onWait }: Pick<ContentStore, "path" | "onWait">,
  purpose: "use" | "remove",
  signal?: AbortSignal,
): Promise<Disposable> {
  await ensureStoreFolder(path, "locks");
  const shared = purpose === "use";
  return await lockFile(`${path}/locks/layers.lock`, { shared, signal, onWait });
}
