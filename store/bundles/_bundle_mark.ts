import type { FileTree } from "../../layer/trees/file_tree.ts";
import { isBundleId } from "./bundle_record.ts";

/**
 * Name of the symlink in a bundle's directory whose target is the bundle's id. A symlink is made as
 * a whole or not at all, by one process alone; it is read without opening anything; and nobody can
 * know the id who cannot read the store.
 */
export const MARK = ".oci-bundle";

/** Reads the id in a directory's mark; `undefined` if it has none, or something else of its name. */
export function readMark(tree: FileTree): string | undefined {
  if (tree.status(MARK)?.type !== "symlink") return undefined;
  const id = tree.readLink(MARK);
  return isBundleId(id) ? id : undefined;
}

/** Makes the mark; `false` if there is something of its name. */
export function makeMark(tree: FileTree, id: string): boolean {
  return tree.makeSymlink(MARK, id);
}

/** Removes the mark if it is that of a bundle. */
export function removeMark(tree: FileTree, id: string): void {
  if (readMark(tree) === id) tree.unlink(MARK);
}
