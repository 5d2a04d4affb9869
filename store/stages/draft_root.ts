import { openFileTree } from "../../layer/trees/open_tree.ts";
import { emptyTree } from "../../layer/trees/remove_tree.ts";

/** Makes the directory that a layer is extracted into. */
export async function makeDraftRoot(path: string): Promise<void> {
  await Deno.mkdir(path);
  // Not with the call above, whose mode the umask narrows.
  await Deno.chmod(path, 0o755);
}

/** Empties the directory after wrong bytes were extracted into it. */
export async function clearDraftRoot(path: string): Promise<void> {
  {
    using tree = openFileTree(path);
    emptyTree(tree);
  }
  await Deno.chmod(path, 0o755);
}
