import { errorCode } from "../../spec/error_facts.ts";
import { childPath } from "./clean_path.ts";
import { copyDirectoryMetadata, openUpDirectory } from "./directory_metadata.ts";
import { EntryCopier, NO_LINK } from "./entry_copier.ts";
import type { FileStatus, FileTree } from "./file_tree.ts";
import { isOverlayXattr } from "./host_xattrs.ts";
import { WorkTurn } from "./work_turn.ts";

export interface CopyTreeOptions {
  /** Copier of the entries, which limits the size of all files together. */
  readonly copier?: EntryCopier | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies an entry with its metadata, and everything in it, to a free path. Names of the same file
 * stay hard links where the file system supports them, and otherwise become separate files.
 */
export async function copyTree(
  from: FileTree,
  source: string,
  to: FileTree,
  path: string,
  { copier = new EntryCopier(), signal }: CopyTreeOptions = {},
): Promise<void> {
  const links = new Map<string, string>();
  const turn = new WorkTurn();
  /** Copies an entry that is not a directory. Returns the number of bytes. */
  const copyFile = (source: string, path: string, status: FileStatus | undefined): number => {
    const file = status && linkKey(status);
    const linked = file && links.get(file);
    if (linked !== undefined && tryLink(to, path, linked)) {
      copier.count(source);
      return 0;
    }
    if (file !== undefined) links.set(file, path);
    copier.copy(from, source, to, path);
    return status?.size ?? 0;
  };
  const copy = async (source: string, path: string) => {
    const status = from.status(source);
    const bytes = status?.type === "directory" ? 0 : copyFile(source, path, status);
    if (turn.isOver(bytes)) await turn.next(signal);
    if (status?.type !== "directory") return;
    copier.count(source);
    using original = from.open(source);
    const isOpened = openUpDirectory(from, source, status);
    try {
      to.makeDirectory(path);
      for (const name of from.list(source)) {
        await copy(childPath(source, name), childPath(path, name));
      }
    } finally {
      if (isOpened) original.setMode(status.mode);
    }
    using copied = to.open(path);
    copyDirectoryMetadata(original, copied, status, isOverlayXattr);
  };
  await copy(source, path);
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
