/**
 * Removes a directory and all that is in it, also what an ordinary user may not look into as
 * long as its mode is what the image says. Nothing may be mounted in it.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    // To empty what a symlink leads to is not to remove the symlink.
    if (!(await Deno.lstat(path)).isDirectory) throw error;
    await removeContent(path);
    await Deno.remove(path);
  }
}

/** By a tree, which knows names that are not UTF-8, and is loaded by those who need it. */
async function removeContent(path: string): Promise<void> {
  const { openFileTree } = await import("../../layer/trees/open_tree.ts");
  const { emptyTree } = await import("../../layer/trees/remove_entry.ts");
  using tree = openFileTree(path);
  emptyTree(tree);
}
