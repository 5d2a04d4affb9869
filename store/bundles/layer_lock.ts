import { lockFile, type WaitOptions } from "../host/file_lock.ts";
import { ensureStoreFolder, ensureStoreRoot } from "../host/private_directory.ts";

/**
 * Locks the extracted and uncompressed layers of a store. Any number of processes can use them,
 * from the lookup until their use is recorded; removal needs an exclusive lock. The lock is a
 * flock, which ends with its owner.
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
