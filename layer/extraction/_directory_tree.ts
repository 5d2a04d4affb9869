import { NameTable } from "../trees/name_table.ts";
import { openUpDirectory } from "../trees/directory_metadata.ts";
import type { FileStatus, FileTree } from "../trees/file_tree.ts";

/** What a directory gets when nothing is made in it any more. */
export type DirectoryMetadata = Pick<FileStatus, "mode" | "mtime" | "mtimeNs">;

/** Links that are followed for one path, as the kernel limits them. */
const MAX_LINKS = 40;

/** A name in a real directory. */
export interface EntryLocation {
  readonly parent: Directory;
  readonly name: string;
  /** The path of both. */
  readonly path: string;
}

/** A real directory of the tree, and what the layer has done to it. */
export class Directory {
  readonly path: string;
  readonly parent: Directory | undefined;
  /** Tells it from others, as long as it is in the memory. */
  readonly number: number;
  /**
   * Directories in it, and what links in it say: those that were looked at. By path rather than
   * by name, as that text is there already.
   */
  children: Map<string, Directory | string> | undefined;
  /** Whether nothing of a lower layer is in it. */
  isOwn: boolean;
  /** Whether it was just made, so that it has no attributes that were to be removed. */
  isBare = false;
  /** Whether the layer has an entry for it. */
  hasEntry = false;
  /** Whether this layer has it, or anything below it. */
  isTouched = false;
  /** Whether its mode is to be set at the end. */
  isModeDue = false;
  /** Whether its times are to be set at the end. */
  isTimeDue = false;
  mode: number;
  mtime: number;
  mtimeNs: number;
  /** What this layer has in it beside directories; kept while `isOwn` is false. */
  names: Set<string> | undefined;

  constructor(
    path: string,
    parent: Directory | undefined,
    number: number,
    isOwn: boolean,
    { mode, mtime, mtimeNs }: DirectoryMetadata,
  ) {
    this.path = path;
    this.parent = parent;
    this.number = number;
    this.isOwn = isOwn;
    this.mode = mode;
    this.mtime = mtime;
    this.mtimeNs = mtimeNs;
  }

  /**
   * A name in it.
   *
   * @param path What may be the path of both already, in other places a path that leads here too.
   */
  locate(name: string, path = ""): EntryLocation {
    const begin = this.path;
    if (begin === "") return { parent: this, name, path: name };
    // There can be a great many of these texts, so none is made that is there already.
    const isPath = path.length === begin.length + 1 + name.length && path.startsWith(begin);
    return { parent: this, name, path: isPath ? path : `${begin}/${name}` };
  }

  /** Notes that this layer has the directory or something in it. */
  touch(): void {
    if (this.isTouched) return;
    this.isTouched = true;
    this.parent?.touch();
  }
}

/** Makes a directory that the layer has no entry for. */
export type ImplyDirectory = (location: EntryLocation) => Directory;

/**
 * Finds directories of a tree by paths that may lead through symbolic links, inside the tree as
 * if its root were `/`, and remembers them.
 */
export class DirectoryTree {
  readonly root: Directory;
  readonly #tree: FileTree;
  readonly #imply: ImplyDirectory;
  #lastPath = "";
  #last: Directory;
  #count = 0;
  /** Directories of the layer that have all that their entries say, by number and name. */
  readonly #settled = new NameTable();

  constructor(tree: FileTree, imply: ImplyDirectory) {
    this.#tree = tree;
    this.#imply = imply;
    const status = tree.status("");
    if (status === undefined) throw new Deno.errors.NotFound(`"${tree.root}" is gone`);
    this.root = this.#open("", undefined, status);
    this.root.isOwn = tree.list("").length === 0;
    this.#last = this.root;
  }

  /**
   * The directory that a clean path leads to.
   *
   * @throws {Deno.errors.NotADirectory} If there is something else.
   */
  make(path: string): Directory {
    if (path === this.#lastPath) return this.#last;
    const directory = this.#walk(path, true) as Directory;
    this.#lastPath = path;
    this.#last = directory;
    return directory;
  }

  /** Likewise, but nothing is made: `undefined` if there is no directory. */
  find(path: string): Directory | undefined {
    return path === this.#lastPath ? this.#last : this.#walk(path, false);
  }

  /** What is known of a directory that has just been made. */
  add({ parent, path }: EntryLocation, metadata: DirectoryMetadata): Directory {
    const directory = new Directory(path, parent, ++this.#count, true, metadata);
    directory.isBare = directory.isModeDue = directory.isTimeDue = true;
    remember(parent, path, directory);
    return directory;
  }

  /** The real directory at a location, if it is one. */
  at(location: EntryLocation): Directory | undefined {
    const child = this.#look(location, false, false);
    return typeof child === "string" ? undefined : child;
  }

  /** What is known of the directory at a location, if anything is. */
  known(location: EntryLocation): Directory | undefined {
    const child = location.parent.children?.get(location.path) ?? this.#unsettle(location);
    return typeof child === "string" ? undefined : child;
  }

  /**
   * Keeps little of a directory that the layer has described, and that has all it is to have, until
   * something is to be made in it: a layer can have a great many with nothing in them.
   */
  settle({ parent, path, name }: EntryLocation): void {
    // The map stays, be it empty: it tells that the directory has some in it.
    if (parent.children?.delete(path)) this.#settled.add(parent.number, name);
    if (this.#last.path === path) this.#forgetLast();
  }

  #unsettle(location: EntryLocation): Directory | undefined {
    const { parent, path } = location;
    if (!this.#forgetSettled(location)) return undefined;
    const status = this.#tree.status(path);
    // Somebody else may have changed it.
    if (status?.type !== "directory") return undefined;
    const directory = this.#open(path, parent, status);
    directory.isOwn = directory.hasEntry = directory.isTouched = true;
    remember(parent, path, directory);
    return directory;
  }

  #forgetSettled({ parent, name }: EntryLocation): boolean {
    const number = this.#settled.find(parent.number, name);
    if (number === 0) return false;
    this.#settled.delete(number);
    this.#settled.free(number);
    return true;
  }

  /** Forgets what was known of a name that is removed. */
  forget(location: EntryLocation): void {
    if (this.#forgetSettled(location) || !location.parent.children?.delete(location.path)) return;
    this.#forgetLast();
  }

  #forgetLast(): void {
    this.#lastPath = "";
    this.#last = this.root;
  }

  #walk(path: string, make: boolean): Directory | undefined {
    let directory = this.root;
    let links = 0;
    const parts = path.split("/").reverse();
    for (let name = parts.pop(); name !== undefined; name = parts.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        directory = directory.parent ?? directory;
        continue;
      }
      const child = this.#look(directory.locate(name), make, links > 0);
      if (child === undefined) return undefined;
      if (typeof child !== "string") {
        directory = child;
        continue;
      }
      if (++links > MAX_LINKS) {
        throw Object.assign(
          new Deno.errors.FilesystemLoop(`too many links in its parent "${path}"`),
          { code: "ELOOP" },
        );
      }
      if (child.startsWith("/")) directory = this.root;
      parts.push(...child.split("/").reverse());
    }
    return directory;
  }

  #look(location: EntryLocation, make: boolean, byLink: boolean): Directory | string | undefined {
    const { parent, path } = location;
    const known = parent.children?.get(path) ?? this.#unsettle(location);
    if (known !== undefined) return known;
    const status = this.#tree.status(path);
    if (status?.type === "directory") {
      const directory = this.#open(path, parent, status);
      remember(parent, path, directory);
      return directory;
    }
    if (status?.type === "symlink") {
      const target = this.#tree.readLink(path);
      remember(parent, path, target);
      return target;
    }
    if (!make) return undefined;
    if (status !== undefined && byLink) {
      throw Object.assign(
        new Deno.errors.NotADirectory(`its parent leads by a link to "${path}"`),
        { code: "ENOTDIR" },
      );
    }
    return this.#imply(location);
  }

  /** A directory of a lower layer. */
  #open(path: string, parent: Directory | undefined, status: FileStatus): Directory {
    const directory = new Directory(path, parent, ++this.#count, false, status);
    // An ordinary user could not look into it or change it. The mode comes back at the end.
    directory.isModeDue = this.#openUp(path, status);
    return directory;
  }

  #openUp(path: string, status: FileStatus): boolean {
    try {
      return openUpDirectory(this.#tree, path, status);
    } catch (error) {
      // Somebody else's directory: what needs more than its mode allows will say so.
      if (error instanceof Deno.errors.PermissionDenied) return false;
      throw error;
    }
  }
}

function remember(parent: Directory, path: string, child: Directory | string): void {
  (parent.children ??= new Map()).set(path, child);
}
