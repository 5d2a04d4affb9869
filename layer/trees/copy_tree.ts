import { childPath } from "./clean_path.ts";
import { copyEntry } from "./copy_entry.ts";
import { copyDirectoryMetadata, openUpDirectory } from "./directory_metadata.ts";
import type { FileTree } from "./file_tree.ts";
import { isOverlayXattr } from "./host_xattrs.ts";

/**
 * Copies an entry with its metadata, and everything in it, to a free path. Hard links become separate
 * files.
 */
export function copyTree(from: FileTree, source: string, to: FileTree, path: string): void {
  const status = from.status(source);
  if (status?.type !== "directory") return copyEntry(from, source, to, path);
  using original = from.open(source);
  const isOpened = openUpDirectory(from, source, status);
  try {
    to.makeDirectory(path);
    for (const name of from.list(source)) {
      copyTree(from, childPath(source, name), to, childPath(path, name));
    }
  } finally {
    if (isOpened) original.setMode(status.mode);
  }
  using copy = to.open(path);
  copyDirectoryMetadata(original, copy, status, isOverlayXattr);
}
