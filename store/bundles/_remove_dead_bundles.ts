import { BundleDirectory } from "./_bundle_directory.ts";
import { namesIn } from "../host/names_in.ts";

/** Ends a name that does not come again, as each "oci run" has one. */
const UNIQUE = /-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Removes what killed processes have left of bundles of a store that were not complete, where
 * nobody else would: what has a name that comes again is removed by who wants that name.
 *
 * @param store The directory of the store.
 */
export async function removeDeadBundles(store: string): Promise<void> {
  const containers = `${store}/containers`;
  for (const name of await namesIn(containers)) {
    if (!UNIQUE.test(name)) continue;
    try {
      using bundle = await BundleDirectory.openIncomplete(`${containers}/${name}`);
      await bundle?.remove();
    } catch {
      // It is another user's, or made or removed just now; no reason not to make a new one.
    }
  }
}
