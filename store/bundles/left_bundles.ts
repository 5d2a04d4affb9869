import { hasLeftContainer } from "../runtime/left_containers.ts";

/**
 * Lists the bundles of a store that `runBundle` ran and whose process was killed before it could
 * remove them. Their containers may run on; `removeBundle` ends them.
 *
 * @param store The directory of the store.
 * @returns Paths of the bundles; one that this user may not look into is left out.
 *
 * @example Remove what is left
 * ```ts
 * import { leftBundles, removeBundle } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const store = await Deno.makeTempDir();
 * for (const bundle of await leftBundles(store)) await removeBundle(bundle);
 *
 * assertEquals(await leftBundles(store), []);
 * await Deno.remove(store);
 * ```
 */
export async function leftBundles(store: string): Promise<readonly string[]> {
  const containers = `${store}/containers`;
  const left: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(containers)) {
      const path = `${containers}/${name}`;
      if (isDirectory && await isLeft(path)) left.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return left.sort();
}

async function isLeft(path: string): Promise<boolean> {
  try {
    return await hasLeftContainer(path);
  } catch (error) {
    // It is removed just now, or somebody else's.
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}
