import { digestHex, digestOf } from "../../spec/digest.ts";
import { type BundleState, STATE } from "./_bundle_state.ts";
import { namesIn } from "../host/names_in.ts";
import { removeIfAny } from "../host/remove_tree.ts";

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

/** What bundles say of themselves: those of a store, and those that it has noted. */
export async function* bundlesOf(store: string): AsyncGenerator<BundleState, void, void> {
  const containers = `${store}/containers`;
  for (const name of await namesIn(containers)) {
    const state = await readState(`${containers}/${name}`, name.startsWith("@"));
    if (state !== undefined) yield state;
  }
}

async function readState(path: string, isNote: boolean): Promise<BundleState | undefined> {
  try {
    const bundle = isNote ? (await Deno.readTextFile(path)).replace(/\n$/, "") : path;
    const state: unknown = JSON.parse(await Deno.readTextFile(`${bundle}/${STATE}`));
    return (state as Partial<BundleState> | null)?.ociBundle === 1
      ? state as BundleState
      : undefined;
  } catch (error) {
    const isGone = error instanceof Deno.errors.NotFound || error instanceof SyntaxError;
    // One that is being begun has said nothing yet, and needs nothing yet; one that is being
    // removed takes its note with it, and needs nothing any more.
    if (isGone || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
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
