import { errorCode } from "../../spec/error_facts.ts";
import { childPath } from "./clean_path.ts";
import { copyDirectoryMetadata, openUpDirectory } from "./directory_metadata.ts";
import { EntryCopier, NO_LINK } from "./entry_copier.ts";
import type { FileStatus, FileTree } from "./file_tree.ts";
import { isOverlayXattr } from "./host_xattrs.ts";

/**
 * Copies an entry with its metadata, and everything in it, to a free path. Names of the same file
 * stay hard links where the file system supports them, and otherwise become separate files.
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
  const links = new Map<string, string>();
  const copy = (source: string, path: string) => {
    const status = from.status(source);
    if (status?.type !== "directory") {
      const file = status && linkKey(status);
      const linked = file && links.get(file);
      if (linked !== undefined && tryLink(to, path, linked)) return copier.count(source);
      if (file !== undefined) links.set(file, path);
      return copier.copy(from, source, to, path);
    }
    copier.count(source);
    using original = from.open(source);
    const isOpened = openUpDirectory(from, source, status);
    try {
      to.makeDirectory(path);
      for (const name of from.list(source)) copy(childPath(source, name), childPath(path, name));
    } finally {
      if (isOpened) original.setMode(status.mode);
    }
    using copied = to.open(path);
    copyDirectoryMetadata(original, copied, status, isOverlayXattr);
  };
  copy(source, path);
}

/** Returns a key of a file that may have other names. */
function linkKey({ nlink, dev, ino }: FileStatus): string | undefined {
  // Inode numbers that are not exact could be those of other files.
  return nlink > 1 && Number.isSafeInteger(ino) ? `${dev}:${ino}` : undefined;
}

function tryLink(tree: FileTree, path: string, target: string): boolean {
  try {
    tree.makeLink(path, target);
    return true;
  } catch (error) {
    const code = errorCode(error) ?? "";
    // The copy of a directory may already deny access to its owner.
    if (code === "EACCES" || NO_LINK.has(code)) return false;
    throw error;
  }
}
