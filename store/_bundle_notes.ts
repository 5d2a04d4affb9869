import { digestHex, digestOf } from "../spec/mod.ts";
import { removeIfAny } from "./_remove_tree.ts";

/**
 * Bundles that are not in the store's own `containers/` are noted there, in `@<hash>` with the
 * path of the bundle: whoever removes extracted layers finds all that may need them.
 */
export async function noteBundle(store: string, path: string): Promise<void> {
  const note = await notePath(store, path);
  if (note === undefined) return;
  await Deno.mkdir(`${store}/containers`, { recursive: true });
  await Deno.writeTextFile(note, `${path}\n`);
}

/** Takes the note of a bundle back. */
export async function forgetBundle(store: string, path: string): Promise<void> {
  const note = await notePath(store, path);
  if (note !== undefined) await removeIfAny(note);
}

/** No id of a bundle begins with an `@`. */
async function notePath(store: string, path: string): Promise<string | undefined> {
  const containers = `${await realPath(store)}/containers`;
  if (path.slice(0, path.lastIndexOf("/")) === containers) return undefined;
  return `${containers}/@${digestHex(digestOf(new TextEncoder().encode(path))).slice(0, 16)}`;
}

async function realPath(store: string): Promise<string> {
  try {
    return await Deno.realPath(store);
  } catch (error) {
    // A bundle may outlive its store.
    if (error instanceof Deno.errors.NotFound) return store;
    throw error;
  }
}
