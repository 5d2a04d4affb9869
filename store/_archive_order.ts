import type { FileStatus } from "../layer/file_tree.ts";
import type { MemoryTree } from "../layer/memory_tree.ts";
import type { TarEntryType, TarSegment } from "../layer/tar_header.ts";
import { tarHeader, type TarHeaderInput } from "../layer/tar_writer.ts";

/**
 * Writes the headers of an archive so that whoever extracts it in one pass gets it right: a
 * directory before what is in it; and once more at the end if something came into it after
 * something else had come, as that changes its time.
 */
export class ArchiveOrder {
  readonly #tree: MemoryTree;
  readonly #written = new Set<string>();
  /** Directories that were left: an extractor has given them their times. */
  readonly #left = new Set<string>();
  readonly #late = new Set<string>();
  #directory: readonly string[] = [];

  constructor(tree: MemoryTree) {
    this.#tree = tree;
  }

  /** The header of something that is no directory, and of those that it is in. */
  *enter(
    path: string,
    status: FileStatus,
    segments?: readonly TarSegment[],
  ): Generator<Uint8Array<ArrayBuffer>, void, void> {
    yield* this.#parents(path);
    const entry = entryOf(this.#tree, path, status);
    yield tarHeader(segments === undefined ? entry : { ...entry, segments });
  }

  /** The header of another name of a file. */
  *link(
    path: string,
    target: string,
    status: FileStatus,
  ): Generator<Uint8Array<ArrayBuffer>, void, void> {
    yield* this.#parents(path);
    const { mode, uid, gid, mtime, mtimeNs } = status;
    yield tarHeader({
      ...{ type: "hardlink", path, linkname: target, mode, uid, gid, size: 0, mtime, mtimeNs },
      ...{ devmajor: 0, devminor: 0, xattrs: new Map() },
    });
  }

  /** A directory, unless it has been written. */
  *directory(path: string): Generator<Uint8Array<ArrayBuffer>, void, void> {
    if (!this.#written.has(path)) yield* this.#parents(`${path}/`);
  }

  /** The directories whose times have to be set again. */
  *finish(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (const path of [...this.#late].sort()) yield this.#header(path);
  }

  *#parents(path: string): Generator<Uint8Array<ArrayBuffer>, void, void> {
    const parts = path.split("/").slice(0, -1);
    const shared = parts.findIndex((part, i) => part !== this.#directory[i]);
    const depth = shared < 0 ? parts.length : shared;
    for (let i = this.#directory.length; i > depth; i--) {
      this.#left.add(this.#directory.slice(0, i).join("/"));
    }
    for (let i = 1; i <= parts.length; i++) {
      const directory = parts.slice(0, i).join("/");
      if (this.#left.has(directory)) this.#late.add(directory);
      if (this.#written.has(directory)) continue;
      this.#written.add(directory);
      yield this.#header(directory);
    }
    this.#directory = parts;
  }

  #header(path: string): Uint8Array<ArrayBuffer> {
    const status = this.#tree.status(path);
    if (status === undefined) throw new Deno.errors.NotFound(`"${path}" is gone`);
    return tarHeader(entryOf(this.#tree, path, status));
  }
}

/** What an archive says of something in a tree. */
export function entryOf(tree: MemoryTree, path: string, status: FileStatus): TarHeaderInput {
  const { type, mode, uid, gid, size, mtime, mtimeNs, devmajor, devminor } = status;
  return {
    ...{ type: type as TarEntryType, path: path || ".", mode, uid, gid, mtime, mtimeNs },
    ...{ size: type === "file" ? size : 0, devmajor, devminor },
    linkname: type === "symlink" ? tree.readLink(path) : "",
    xattrs: tree.xattrsOf(path),
  };
}
