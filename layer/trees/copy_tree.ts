import { childPath } from "./clean_path.ts";
import { copyDirectoryMetadata, openUpDirectory } from "./directory_metadata.ts";
import { EntryCopier } from "./entry_copier.ts";
import type { FileTree } from "./file_tree.ts";
import { isOverlayXattr } from "./host_xattrs.ts";

/**
 * Copies an entry with its metadata, and everything in it, to a free path. Hard links become separate
 * files.
 *
 * @param copier Copier of the entries, which limits the size of all files together.
 */
export function copyTree(
  from: FileTree,
  source: string,
  to: FileTree,
  path: string,
  copier: EntryCopier = new EntryCopier(),
): void {
  const status = from.status(source);
  if (status?.type !== "directory") return copier.copy(from, source, to, path);
  copier.count(source);
  using original = from.open(source);
  const isOpened = openUpDirectory(from, source, status);
  try {
    to.makeDirectory(path);
    for (const name of from.list(source)) {
      copyTree(from, childPath(source, name), to, childPath(path, name), copier);
    }
  } finally {
    if (isOpened) original.setMode(status.mode);
  }
  using copy = to.open(path);
  copyDirectoryMetadata(original, copy, status, isOverlayXattr);
}
