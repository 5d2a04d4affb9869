import { parentPath } from "./extract_path.ts";
import type { FileTree } from "./file_tree.ts";

/** Removes what is at `path`, whatever it is; nothing if nothing is there. */
export function removeTree(tree: FileTree, path: string): void {
  const status = tree.status(path);
  if (status === undefined) return;
  if (status.type !== "directory") {
    tree.unlink(path);
    return;
  }
  const parent = tree.status(parentPath(path));
  if (parent?.dev !== status.dev) {
    // What is mounted there is no part of the tree, and not the layer's to remove.
    throw Object.assign(new Deno.errors.Busy(`"${path}" is a mount point`), { code: "EBUSY" });
  }
  removeDirectory(tree, path, status.dev, status.mode);
}

function removeDirectory(tree: FileTree, path: string, dev: number, mode: number): void {
  if ((mode & 0o700) !== 0o700) {
    using directory = tree.open(path);
    directory.setMode(0o700);
  }
  for (const name of tree.list(path)) {
    const inner = `${path}/${name}`;
    const status = tree.status(inner);
    if (status?.type !== "directory") tree.unlink(inner);
    else if (status.dev === dev) removeDirectory(tree, inner, dev, status.mode);
    else {throw Object.assign(new Deno.errors.Busy(`"${inner}" is a mount point`), {
        code: "EBUSY",
      });}
  }
  tree.removeDirectory(path);
}
