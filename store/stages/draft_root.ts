import { openFileTree } from "../../layer/trees/open_tree.ts";
import { emptyTree } from "../../layer/trees/remove_tree.ts";

/** A time that no image gives its root; where it stays, the layer has no entry for the root. */
const UNTOUCHED = new Date(1_000);

/** Makes the directory that a layer is extracted into. */
export async function makeDraftRoot(path: string): Promise<void> {
  await Deno.mkdir(path);
  await resetMetadata(path);
}

/** Makes it as it was before anything was extracted into it. */
export async function clearDraftRoot(path: string): Promise<void> {
  {
    using tree = openFileTree(path);
    emptyTree(tree);
  }
  await resetMetadata(path);
}

/** Whether an entry of the layer said what the root directory's metadata is. */
export async function hasDraftRootEntry(path: string): Promise<boolean> {
  const { mtime, mode } = await Deno.stat(path);
  return mtime?.getTime() !== UNTOUCHED.getTime() || (mode ?? 0) % 0o10000 !== 0o755;
}

async function resetMetadata(path: string): Promise<void> {
  await Deno.chmod(path, 0o755);
  await Deno.utime(path, UNTOUCHED, UNTOUCHED);
}
