import { keepNativeBackend } from "../../layer/linux/native_backend.ts";
import { BundleDirectory } from "./_bundle_directory.ts";
import { BundleRecords } from "./bundle_records.ts";

/** Options for {@linkcode removeBundle}. */
export interface RemoveBundleOptions {
  /** Called with each non-fatal problem, such as a mount that is still in use. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Unmounts and removes a bundle of a store, whichever bundler made it, and what is left of one that
 * is not complete. A container that `runBundle` left in it, as its process was killed, is ended.
 *
 * A directory is a bundle if the store has a record of it, and no other directory is touched:
 * neither one that was moved or copied, nor one that an archive made, whatever is in it. What the
 * user has mounted at the directory or in it stays.
 *
 * @param store The directory of the store.
 * @param directory The bundle's directory.
 * @param options Whom to tell.
 * @returns Whether there was one.
 * @throws {BundleError} If the directory is not a bundle of the store, if another process uses it,
 * if its container cannot be ended, or if something else is mounted in it.
 *
 * @example Remove a bundle if it exists
 * ```ts
 * import { removeBundle } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const store = await Deno.makeTempDir();
 *
 * assertEquals(await removeBundle(store, `${store}/containers/none`), false);
 * await Deno.remove(store);
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
