import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { BundleDirectory } from "./_bundle_directory.ts";
import { BundleRecords } from "./bundle_records.ts";

/** Options for {@linkcode removeBundle}. */
export interface RemoveBundleOptions {
  /** Called with each non-fatal problem, such as a mount that is still in use. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Unmounts and removes a bundle of any bundler, complete or not. Ends a container that a killed
 * `runBundle` process left behind.
 *
 * Only a directory with a record in the store is a bundle. Moved, copied or extracted directories
 * are never touched. Mounts that the user made at or in the directory stay.
 *
 * @param store The directory of the store.
 * @param directory The bundle's directory.
 * @param options Callbacks.
 * @returns Whether the bundle existed.
 * @throws {BundleError} If the directory is not a bundle of the store, if another process uses it,
 * if its container cannot be ended, or if something else is mounted in it.
 *
 * @example Remove a bundle by its directory
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, listBundles, removeBundle, UncompressedBundler } from "@x/oci/store";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const bundler = new UncompressedBundler(await ContentStore.open("./store"));
 * const { path } = await bundler.bundle(image, "web-1");
 *
 * assert(await removeBundle("./store", path));
 *
 * assertEquals(await listBundles("./store"), []);
 * ```
 */
export async function removeBundle(
  store: string,
  directory: string,
  { onWarning }: RemoveBundleOptions = {},
): Promise<boolean> {
  using _native = keepNativeBackend();
  using opened = await BundleDirectory.open(BundleRecords.open(store), directory);
  if (opened === undefined) return false;
  await opened.remove(onWarning);
  return true;
}
