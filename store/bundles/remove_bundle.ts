import { BundleDirectory } from "./_bundle_directory.ts";

/** Options for {@linkcode removeBundle}. */
export interface RemoveBundleOptions {
  /** Is told what is odd but not fatal, such as a mount that is still in use. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Unmounts and removes a bundle, whichever bundler made it, and also what is left of one whose
 * making was interrupted. A container that `runBundle` has left in it, as its process was killed, is
 * ended.
 *
 * @param directory The bundle's directory.
 * @param options Whom to tell.
 * @returns Whether there was one.
 * @throws {BundleError} If there is a directory that is no bundle, if it is being made or removed by
 * somebody else, or if something stays mounted in it; nothing is removed then.
 *
 * @example Remove what is there
 * ```ts
 * import { removeBundle } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 *
 * assertEquals(await removeBundle(`${directory}/none`), false);
 * await Deno.remove(directory);
 * ```
 */
export async function removeBundle(
  directory: string,
  options: RemoveBundleOptions = {},
): Promise<boolean> {
  using opened = await BundleDirectory.open(directory);
  if (opened === undefined) return false;
  await opened.remove(options.onWarning);
  return true;
}
