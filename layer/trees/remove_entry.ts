import { openUpDirectory } from "./directory_metadata.ts";
import { parentPath } from "./clean_path.ts";
import type { FileTree } from "./file_tree.ts";

/** Removes what is at `path`, whatever it is; nothing if nothing is there. */
export function removeEntry(tree: FileTree, path: string): void {
  remove(tree, path, () => tree.status(parentPath(path))?.dev);
}

/** Likewise; `device` gives the file system that the parent is on. */
function remove(tree: FileTree, path: string, device: () => number | undefined): void {
  const status = tree.status(path);
  if (status === undefined) return;
  if (status.type !== "directory") return tree.unlink(path);
  const { dev } = status;
  if (device() !== dev) {
    // What is mounted there is no part of the tree, and not the layer's to remove.
    throw Object.assign(new Deno.errors.Busy(`"${path}" is a mount point`), { code: "EBUSY" });
  }
  openUpDirectory(tree, path, status);
  for (const name of tree.list(path)) remove(tree, `${path}/${name}`, () => dev);
  tree.removeDirectory(path);
}

/** Removes all that is in a tree. */
export function emptyTree(tree: FileTree): void {
  const status = tree.status("");
  if (status === undefined) return;
  openUpDirectory(tree, "", status);
  for (const name of tree.list("")) removeEntry(tree, name);
}
