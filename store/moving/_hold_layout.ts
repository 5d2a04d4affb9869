import type { Descriptor } from "../../spec/image/descriptor.ts";
import { ContentStore } from "../content/content_store.ts";
import { findHeld, type Held } from "../content/find_held.ts";
import { UntrustedStoreError } from "../errors.ts";
import { lstatIfAny } from "../host/durable.ts";

/**
 * Finds a document in a layout. If the layout is a store of this user, protects the document and
 * everything that it references against pruning. Writes nothing to layouts of other programs.
 *
 * @param path Directory of the layout.
 * @param find Looks the document up.
 * @param signal Aborts the wait for another process.
 */
export async function holdInLayout(
  path: string,
  find: () => Promise<Descriptor>,
  signal: AbortSignal | undefined,
): Promise<Held<Descriptor>> {
  const store = await openOwnStore(path);
  if (store !== undefined) return await findHeld(store, find, (root) => [root], signal);
  return { found: await find(), [Symbol.dispose]() {} };
}

/** Opens a layout as a store; `undefined` if no process of this user can prune it or write to it. */
async function openOwnStore(path: string): Promise<ContentStore | undefined> {
  const locks = `${path}/locks`;
  if (lstatIfAny(locks) === undefined) return undefined;
  const { state } = Deno.permissions.querySync({ name: "write", path: locks });
  if (state !== "granted") return undefined;
  try {
    return await ContentStore.open(path);
  } catch (error) {
    if (error instanceof UntrustedStoreError) return undefined;
    throw error;
  }
}
