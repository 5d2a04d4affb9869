import { BundleDirectory } from "./_bundle_directory.ts";
import { BundleError } from "./errors.ts";

/**
 * Removes what killed processes have left of bundles of a store: those that are not complete and
 * that nobody makes or removes just now. Nobody else would, as most have names that do not come
 * again. What cannot be removed, as it is another user's, stays.
 *
 * @param store The directory of the store.
 */
export async function removeDeadBundles(store: string): Promise<void> {
  const containers = `${store}/containers`;
  for (const name of await directoriesIn(containers)) {
    try {
      using bundle = await BundleDirectory.openIncomplete(`${containers}/${name}`);
      await bundle?.remove();
    } catch (error) {
      const isOthers = error instanceof BundleError ||
        error instanceof Deno.errors.PermissionDenied;
      if (!isOthers) throw error;
    }
  }
}

async function directoriesIn(path: string): Promise<readonly string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    return entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
