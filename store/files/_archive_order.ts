import type { MemoryTree } from "../../layer/memory/memory_tree.ts";
import type { TarEntryType } from "../../layer/tar/tar_header.ts";
import { tarHeader, type TarHeaderInput } from "../../layer/tar/tar_writer.ts";
import { isBelow, parentPath } from "../../layer/trees/clean_path.ts";
import type { FileStatus } from "../../layer/trees/file_tree.ts";

/**
 * Writes the headers of an archive so that it can be extracted in one pass. A directory comes before
 * its entries, and again whenever the archive adds an entry to it after leaving it, because GNU tar
 * sets the final metadata of a directory when it leaves it. Such directories are repeated at the end
 * for extractors that set times immediately. Their ancestors are not repeated: files that alternate
 * between deep directories would repeat thousands for each file.
 */
export class ArchiveOrder {
  readonly #tree: MemoryTree;
  /** Inode numbers of the directories that have been written. */
  readonly #written = new Set<number>();
  /** Inode numbers of the directories that the archive has returned to. */
  readonly #late = new Set<number>();
  /** Directories that have been written and not left since, each below the one before it. */
  readonly #open: string[] = [];

  constructor(tree: MemoryTree) {
    this.#tree = tree;
  }

  /** Writes the header of an entry that is not a directory, after those of its directories. */
  *write(entry: TarHeaderInput): Generator<Uint8Array<ArrayBuffer>, void, void> {
    yield* this.#enter(parentPath(entry.path));
    yield tarHeader(entry);
  }

  /** Writes the empty directories, and the directories whose times must be set again. */
  *finish(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (const { path, isEmpty } of this.#tree.directories()) {
      if (this.#written.has(this.#statusOf(path).ino)) continue;
      // An empty directory is left as soon as it is written.
      yield* this.#enter(isEmpty ? parentPath(path) : path);
      if (isEmpty) yield this.#header(path);
    }
    if (this.#late.size === 0) return;
    for (const { path } of this.#tree.directories()) {
      if (this.#late.has(this.#statusOf(path).ino)) yield this.#header(path);
    }
  }

  /** Enters a directory: writes its header, after those of ancestors that have not been written. */
  *#enter(directory: string): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (let last = this.#open.at(-1); last !== undefined; last = this.#open.at(-1)) {
      if (isBelow(directory, last) || directory === last) break;
      this.#open.pop();
    }
    const last = this.#open.at(-1);
    const paths: string[] = [];
    for (let path = directory; path !== "" && path !== last; path = parentPath(path)) {
      const { ino } = this.#statusOf(path);
      paths.push(path);
      if (this.#written.has(ino)) {
        this.#late.add(ino);
        break;
      }
      this.#written.add(ino);
    }
    for (const path of paths.reverse()) {
      this.#open.push(path);
      yield this.#header(path);
    }
  }

  #header(path: string): Uint8Array<ArrayBuffer> {
    return tarHeader(entryOf(this.#tree, path, this.#statusOf(path)));
  }

  #statusOf(path: string): FileStatus {
    const status = this.#tree.status(path);
    if (status === undefined) throw new Deno.errors.NotFound(`"${path}" no longer exists`);
    return status;
  }
}

/** Returns the header of an entry in a tree. */
export function entryOf(tree: MemoryTree, path: string, status: FileStatus): TarHeaderInput {
  const { type, mode, uid, gid, size, mtime, mtimeNs, devmajor, devminor } = status;
  return {
    type: type as TarEntryType,
    path: path || ".",
    mode,
    uid,
    gid,
    mtime,
    mtimeNs,
    size: type === "file" ? size : 0,
    devmajor,
    devminor,
    linkname: type === "symlink" ? tree.readLink(path) : "",
    xattrs: tree.xattrsOf(path),
  };
}
