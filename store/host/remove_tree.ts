/**
 * Removes a directory recursively, even if it contains directories of an image whose modes deny
 * their owner access. It must not contain mounts.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    // Removing a symlink must not empty its target.
    if (!(await Deno.lstat(path)).isDirectory) throw error;
    await removeContent(path);
    await Deno.remove(path);
  }
}

/** Empties a directory through a file tree, which supports names that are not UTF-8. */
async function removeContent(path: string): Promise<void> {
  const { openFileTree } = await import("../../layer/disk/open_tree.ts");
  const { emptyTree } = await import("../../layer/trees/remove_entry.ts");
  using tree = openFileTree(path);
  emptyTree(tree);
}
