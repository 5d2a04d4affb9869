import type { FileTree } from "../../layer/trees/file_tree.ts";
import { isBundleId } from "./bundle_record.ts";

/**
 * Name of the symlink in a bundle's directory whose target is the bundle's ID. A symlink appears
 * atomically, for one process alone; reading it opens nothing; and the ID is known only to users
 * who can read the store.
 */
export const MARK = ".oci-bundle";

/** File that runtimes read. Written last and removed first, so a bundle that has it is complete. */
export const CONFIG = "config.json";

/**
 * Reads the ID in a directory's mark; `undefined` if there is no mark, or the entry is not a mark.
 */
export function readMark(tree: FileTree): string | undefined {
  if (tree.status(MARK)?.type !== "symlink") return undefined;
  const id = tree.readLink(MARK);
  return isBundleId(id) ? id : undefined;
}

/** Makes the mark; returns `false` if its name is taken. */
export function makeMark(tree: FileTree, id: string): boolean {
  return tree.makeSymlink(MARK, id);
}

/** Removes the mark if it is that of a bundle. */
export function removeMark(tree: FileTree, id: string): void {
  if (readMark(tree) === id) tree.unlink(MARK);
}
