import { withCode } from "../../spec/error_facts.ts";
import { parentPath } from "./clean_path.ts";
import { openUpDirectory } from "./directory_metadata.ts";
import type { FileTree } from "./file_tree.ts";

/** Removes an entry and everything in it, if it exists. */
export function removeEntry(tree: FileTree, path: string): void {
  remove(tree, path, () => tree.status(parentPath(path))?.dev);
}

/** Removes an entry; `device` returns the device number of its parent. */
function remove(tree: FileTree, path: string, device: () => number | undefined): void {
  const status = tree.status(path);
  if (status === undefined) return;
  if (status.type !== "directory") return tree.unlink(path);
  const { dev } = status;
  if (device() !== dev) {
    // A mounted file system is not part of the tree.
    throw withCode(new Deno.errors.Busy(`"${path}" is a mount point`), "EBUSY");
  }
  openUpDirectory(tree, path, status);
  for (const name of tree.list(path)) remove(tree, `${path}/${name}`, () => dev);
  tree.removeDirectory(path);
}

/** Removes all entries of a tree. */
export function emptyTree(tree: FileTree): void {
  const status = tree.status("");
  if (status === undefined) return;
  openUpDirectory(tree, "", status);
  for (const name of tree.list("")) removeEntry(tree, name);
}
