import { openUpDirectory } from "./directory_metadata.ts";
import type { FileTree } from "./file_tree.ts";

/**
 * Moves an entry to a free path on the same file system.
 *
 * @param tree A tree that contains both paths.
 * @param from Current path.
 * @param to New path, whose parent exists.
 */
export function moveEntry(tree: FileTree, from: string, to: string): void {
  try {
    return tree.rename(from, to);
  } catch (error) {
    // Moving a directory changes its "..", which requires write access for an unprivileged user.
    const status = error instanceof Deno.errors.PermissionDenied ? tree.status(from) : undefined;
    if (status?.type !== "directory") throw error;
    openUpDirectory(tree, from, status);
    tree.rename(from, to);
    using entry = tree.open(to);
    entry.setMode(status.mode);
  }
}
