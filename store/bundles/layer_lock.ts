import { lockFile, type LockFileOptions } from "../host/file_lock.ts";
import { ensureStoreFolder, ensureStoreRoot } from "../host/private_directory.ts";

/**
 * Locks the extracted and uncompressed layers of a store: any number of processes use them at a
 * time, from the lookup until what they are used for is written down; a process that removes some
 * is alone. The lock is a flock, which ends with its owner.
 *
 * @param store The directory of the store.
 * @param purpose What they are locked for.
 * @param options What ends the wait, and what to call for a long one.
 */
export async function lockLayers(
  store: string,
  purpose: "use" | "remove",
  options: Pick<LockFileOptions, "onWait" | "signal"> = {},
): Promise<Disposable> {
  await ensureStoreRoot(store);
  await ensureStoreFolder(`${store}/locks`);
  return await lockFile(`${store}/locks/layers.lock`, { ...options, shared: purpose === "use" });
}
