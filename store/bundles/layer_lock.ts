import { lockFile, type WaitOptions } from "../host/file_lock.ts";
import { ensureStoreFolder, ensureStoreRoot } from "../host/private_directory.ts";

/**
 * Locks the extracted and uncompressed layers of a store. Processes that use them share the lock
 * from the lookup until their use is recorded. Removing layers requires an exclusive lock. It is an
 * flock, so it ends with its owner.
 */
export async function lockLayers(
  store: string,
  purpose: "use" | "remove",
  options: WaitOptions = {},
): Promise<Disposable> {
  await ensureStoreRoot(store);
  await ensureStoreFolder(`${store}/locks`);
  return await lockFile(`${store}/locks/layers.lock`, { ...options, shared: purpose === "use" });
}
