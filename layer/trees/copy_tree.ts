import { errorCode } from "../../spec/error_facts.ts";
import { childPath } from "./clean_path.ts";
import { copyDirectoryMetadata, openUpDirectory } from "./directory_metadata.ts";
import { EntryCopier, NO_LINK } from "./entry_copier.ts";
import type { FileStatus, FileTree } from "./file_tree.ts";
import { isOverlayXattr } from "./host_xattrs.ts";

/** Number of entries, and of bytes, to copy before other tasks, such as signals, get a turn. */
const ENTRIES_PER_TURN = 500;
const BYTES_PER_TURN = 16_777_216;

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
  let [entries, bytes] = [0, 0];
  const copyFile = (source: string, path: string, status: FileStatus | undefined) => {
    const file = status && linkKey(status);
    const linked = file && links.get(file);
    if (linked !== undefined && tryLink(to, path, linked)) return copier.count(source);
    if (file !== undefined) links.set(file, path);
    copier.copy(from, source, to, path);
    bytes += status?.size ?? 0;
  };
  const endTurn = async () => {
    if (entries < ENTRIES_PER_TURN && bytes < BYTES_PER_TURN) return;
    [entries, bytes] = [0, 0];
    await new Promise((done) => setTimeout(done, 0));
    signal?.throwIfAborted();
  };
  const copy = async (source: string, path: string) => {
    entries++;
    const status = from.status(source);
    if (status?.type !== "directory") {
      copyFile(source, path, status);
      return await endTurn();
    }
    await endTurn();
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
