import type { FileTree } from "../../layer/trees/file_tree.ts";
import { isRecordId } from "./bundle_record.ts";

/**
 * Name of a symlink in a bundle's directory. Its target is the bundle's ID, which only users who
 * can read the store know. A symlink is created atomically, by exactly one process, and reading it
 * opens no file.
 */
export const MARK = ".oci-bundle";

/** Configuration for runtimes. Written last and removed first: a bundle that has it is complete. */
export const CONFIG = "config.json";

/**
 * Reads the ID in a directory's mark; `undefined` if there is no mark, or the entry is not a mark.
 */
export function readMark(tree: FileTree): string | undefined {
  if (tree.status(MARK)?.type !== "symlink") return undefined;
  const id = tree.readLink(MARK);
  return isRecordId(id) ? id : undefined;
}

/** Creates the mark; returns `false` if its name is taken. */
export function makeMark(tree: FileTree, id: string): boolean {
  return tree.makeSymlink(MARK, id);
}

/** Removes the mark if it has the ID. */
export function removeMark(tree: FileTree, id: string): void {
  if (readMark(tree) === id) tree.unlink(MARK);
}
