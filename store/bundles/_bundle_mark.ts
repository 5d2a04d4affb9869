import type { FileTree } from "../../layer/trees/file_tree.ts";
import { errorCode } from "../../spec/error_facts.ts";
import { BundleError } from "../errors.ts";
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

/** Codes of file systems without symlinks: FAT returns the first, FUSE the second. */
const NO_SYMLINKS: ReadonlySet<string> = new Set(["EPERM", "ENOSYS", "EOPNOTSUPP"]);

/**
 * Creates the mark in a directory; returns `false` if its name is taken.
 *
 * @throws {BundleError} If the file system has no symlinks.
 */
export function makeMark(tree: FileTree, id: string, directory: string): boolean {
  try {
    return tree.makeSymlink(MARK, id);
  } catch (cause) {
    if (!NO_SYMLINKS.has(errorCode(cause) ?? "")) throw cause;
    throw new BundleError("the file system does not support symlinks", directory, {
      code: "output",
      action: `create a bundle in "${directory}"`,
      advice: "Choose a directory on another file system",
      cause,
    });
  }
}

/** Removes the mark if it has the ID. */
export function removeMark(tree: FileTree, id: string): void {
  if (readMark(tree) === id) tree.unlink(MARK);
}
