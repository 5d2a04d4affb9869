import { parentPath } from "../layer/extract_path.ts";
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
  /** How far the directories are that have been written, by their numbers in the tree. */
  readonly #stages = new Map<number, "open" | "left" | "late">();
  /** The way to where the last entry is, from the top. */
  readonly #way: { readonly path: string; readonly ino: number }[] = [];

  constructor(tree: MemoryTree) {
    this.#tree = tree;
  }

  /** The header of something that is no directory, and of those that it is in. */
  *enter(
    path: string,
    status: FileStatus,
    segments?: readonly TarSegment[],
  ): Generator<Uint8Array<ArrayBuffer>, void, void> {
    yield* this.#open(parentPath(path));
    const entry = entryOf(this.#tree, path, status);
    yield tarHeader(segments === undefined ? entry : { ...entry, segments });
  }

  /** The header of another name of a file. */
  *link(
    path: string,
    target: string,
    status: FileStatus,
  ): Generator<Uint8Array<ArrayBuffer>, void, void> {
    yield* this.#open(parentPath(path));
    const { mode, uid, gid, mtime, mtimeNs } = status;
    yield tarHeader({
      ...{ type: "hardlink", path, linkname: target, mode, uid, gid, size: 0, mtime, mtimeNs },
      ...{ devmajor: 0, devminor: 0, xattrs: new Map() },
    });
  }

  /** The directories that nothing has come into, and those whose times have to be set again. */
  *finish(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (const { path, isEmpty } of this.#tree.directories()) {
      if (this.#stages.has(this.#statusOf(path).ino)) continue;
      // An empty one is left as soon as it is written, so nothing need be known of it.
      yield* this.#open(isEmpty ? parentPath(path) : path);
      if (isEmpty) yield this.#header(path);
    }
    if (!this.#stages.values().some((stage) => stage === "late")) return;
    for (const { path } of this.#tree.directories()) {
      if (this.#stages.get(this.#statusOf(path).ino) === "late") yield this.#header(path);
    }
  }

  /** Goes to a directory: the headers of those on the way that have not been written. */
  *#open(directory: string): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (let last = this.#way.at(-1); last !== undefined; last = this.#way.at(-1)) {
      if (isWithin(directory, last.path)) break;
      this.#way.pop();
      // An extractor has given it its times.
      if (this.#stages.get(last.ino) === "open") this.#stages.set(last.ino, "left");
    }
    let path = this.#way.at(-1)?.path ?? "";
    const rest = path === "" ? directory : directory.slice(path.length + 1);
    for (const name of rest === "" ? [] : rest.split("/")) {
      path += path === "" ? name : `/${name}`;
      const { ino } = this.#statusOf(path);
      this.#way.push({ path, ino });
      const stage = this.#stages.get(ino);
      if (stage === "left") this.#stages.set(ino, "late");
      if (stage !== undefined) continue;
      this.#stages.set(ino, "open");
      yield this.#header(path);
    }
  }

  #header(path: string): Uint8Array<ArrayBuffer> {
    return tarHeader(entryOf(this.#tree, path, this.#statusOf(path)));
  }

  #statusOf(path: string): FileStatus {
    const status = this.#tree.status(path);
    if (status === undefined) throw new Deno.errors.NotFound(`"${path}" is gone`);
    return status;
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
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
