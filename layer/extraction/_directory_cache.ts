import { withCode } from "../../spec/error_facts.ts";
import { NameTable } from "../trees/name_table.ts";
import { openUpDirectory } from "../trees/directory_metadata.ts";
import type { FileStatus, FileTree } from "../trees/file_tree.ts";
import { walkPath } from "../trees/walk_path.ts";

/** Metadata to set on a directory once its content is complete. */
export type DirectoryMetadata = Pick<FileStatus, "mode" | "mtime" | "mtimeNs">;

/** A name in a directory without symlinks in its path. */
export interface EntryLocation {
  readonly parent: Directory;
  readonly name: string;
  /** Path of the entry. */
  readonly path: string;
}

/** A directory of the tree, and its state in the current layer. */
export class Directory {
  readonly path: string;
  readonly parent: Directory | undefined;
  /** Number that identifies the object. */
  readonly number: number;
  /**
   * Known directories in it, and targets of known symlinks, by name. Hashing paths instead would take
   * quadratic time for deep ones.
   */
  children: Map<string, Directory | string> | undefined;
  /** Whether it contains nothing from a lower layer. */
  isOwn: boolean;
  /** Whether it is new, and therefore has no attributes to remove. */
  isBare = false;
  /** Whether the layer has an entry for it. */
  hasEntry = false;
  /** Whether the layer contains it or anything below it. */
  isTouched = false;
  /** Whether its mode must be set at the end. */
  isModeDue = false;
  /** Whether its times must be set at the end. */
  isTimeDue = false;
  mode: number;
  mtime: number;
  mtimeNs: number;
  /** Names of the layer's other entries in it; only tracked while `isOwn` is false. */
  names: Set<string> | undefined;
  /** Number of removed directories when it was last seen. */
  seenAt = 0;

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
   * Returns the location of a name in the directory.
   *
   * @param path A path that may be the path of the location, or lead to it through symlinks.
   */
  locate(name: string, path = ""): EntryLocation {
    const begin = this.path;
    if (begin === "") return { parent: this, name, path: name };
    // Reuse the string if possible, because a layer can have very many paths.
    const isPath = path.length === begin.length + 1 + name.length && path.startsWith(begin);
    return { parent: this, name, path: isPath ? path : `${begin}/${name}` };
  }

  /** Records metadata, to be set once the content of the directory is complete. */
  describe({ mode, mtime, mtimeNs }: DirectoryMetadata): void {
    this.mode = mode;
    this.mtime = mtime;
    this.mtimeNs = mtimeNs;
    this.isModeDue = this.isTimeDue = true;
  }

  /** Records that the layer contains the directory or something in it. */
  touch(): void {
    if (this.isTouched) return;
    this.isTouched = true;
    this.parent?.touch();
  }
}

/** Creates a directory that the layer has no entry for. */
export type ImplyDirectory = (location: EntryLocation) => Directory;

/**
 * Finds directories by paths that may contain symbolic links, which are resolved as if the root of
 * the tree were `/`, and caches them.
 */
export class DirectoryCache {
  readonly root: Directory;
  readonly #tree: FileTree;
  readonly #imply: ImplyDirectory;
  #lastPath = "";
  #last: Directory;
  #count = 0;
  #removed = 0;
  /** Complete directories of the layer, by number of the parent and name. */
  readonly #settled = new NameTable();

  constructor(tree: FileTree, imply: ImplyDirectory) {
    this.#tree = tree;
    this.#imply = imply;
    const status = tree.status("");
    if (status === undefined) throw new Deno.errors.NotFound(`"${tree.root}" no longer exists`);
    this.root = this.#open("", undefined, status);
    this.root.isOwn = tree.list("").length === 0;
    this.#last = this.root;
  }

  /**
   * Finds the directory at a clean path, and creates missing ones.
   *
   * @throws {Deno.errors.NotADirectory} If the path leads to something else.
   */
  make(path: string): Directory {
    if (path === this.#lastPath) return this.#last;
    const directory = this.#walk(path, true) as Directory;
    this.#lastPath = path;
    this.#last = directory;
    return directory;
  }

  /** Finds the directory at a clean path; `undefined` if there is none. */
  find(path: string): Directory | undefined {
    return path === this.#lastPath ? this.#last : this.#walk(path, false);
  }

  /** Adds a directory that has just been created. */
  add(location: EntryLocation, metadata: DirectoryMetadata): Directory {
    const { parent, path } = location;
    const directory = new Directory(path, parent, ++this.#count, true, metadata);
    directory.isBare = directory.isModeDue = directory.isTimeDue = true;
    directory.seenAt = this.#removed;
    remember(location, directory);
    return directory;
  }

  /** Returns the directory at a location; `undefined` if it is something else or missing. */
  at(location: EntryLocation): Directory | undefined {
    const child = this.#lookUp(location, false, false);
    return typeof child === "string" ? undefined : child;
  }

  /** Returns the cached directory at a location. */
  known(location: EntryLocation): Directory | undefined {
    const child = this.#cached(location);
    return typeof child === "string" ? undefined : child;
  }

  /**
   * Records that a directory has been removed. Where the file system ignores case, it may be in the
   * cache under other spellings of its path, and a symlink may replace it.
   */
  countRemoved(): void {
    this.#removed++;
    this.#forgetLast();
  }

  /** Whether a directory in the cache still exists, as those above it do. */
  exists(directory: Directory): boolean {
    if (directory.seenAt === this.#removed) return true;
    if (this.#tree.status(directory.path)?.type !== "directory") return false;
    directory.seenAt = this.#removed;
    return true;
  }

  #cached(location: EntryLocation): Directory | string | undefined {
    const { parent, name } = location;
    const child = parent.children?.get(name) ?? this.#unsettle(location);
    if (typeof child !== "object" || this.exists(child)) return child;
    parent.children?.delete(name);
    return undefined;
  }

  /**
   * Drops most of the state of a complete directory until something is created in it: a layer can
   * contain very many empty directories.
   */
  settle({ parent, path, name }: EntryLocation): void {
    // The map stays, even if empty: it shows that the parent has directories.
    if (parent.children?.delete(name)) this.#settled.add(parent.number, name);
    if (this.#last.path === path) this.#forgetLast();
  }

  #unsettle(location: EntryLocation): Directory | undefined {
    const { parent, path } = location;
    if (!this.#forgetSettled(location)) return undefined;
    const status = this.#tree.status(path);
    // Another process may have changed it.
    if (status?.type !== "directory") return undefined;
    const directory = this.#open(path, parent, status);
    directory.isOwn = directory.hasEntry = directory.isTouched = true;
    remember(location, directory);
    return directory;
  }

  #forgetSettled({ parent, name }: EntryLocation): boolean {
    const number = this.#settled.find(parent.number, name);
    if (number === 0) return false;
    this.#settled.delete(number);
    this.#settled.free(number);
    return true;
  }

  /** Removes a deleted entry from the cache. */
  forget(location: EntryLocation): void {
    if (this.#forgetSettled(location) || !location.parent.children?.delete(location.name)) return;
    this.#forgetLast();
  }

  #forgetLast(): void {
    this.#lastPath = "";
    this.#last = this.root;
  }

  #walk(path: string, make: boolean): Directory | undefined {
    return walkPath(path, this.root, {
      parent: (directory) => directory.parent ?? directory,
      enter: (directory, name, byLink) => this.#lookUp(directory.locate(name), make, byLink),
      // As in containerd and umoci. The kernel would find nothing.
      exists: (directory, name) => this.#exists(directory.locate(name)),
    });
  }

  #exists(location: EntryLocation): boolean {
    return this.#cached(location) !== undefined || this.#tree.status(location.path) !== undefined;
  }

  #lookUp(location: EntryLocation, make: boolean, byLink: boolean): Directory | string | undefined {
    const { parent, path } = location;
    const known = this.#cached(location);
    if (known !== undefined) return known;
    const status = this.#tree.status(path);
    if (status?.type === "directory") {
      const directory = this.#open(path, parent, status);
      remember(location, directory);
      return directory;
    }
    if (status?.type === "symlink") {
      const target = this.#tree.readLink(path);
      remember(location, target);
      return target;
    }
    if (!make) return undefined;
    if (status !== undefined && byLink) {
      const problem = `a symbolic link in its parent leads to "${path}", which is not a directory`;
      throw withCode(new Deno.errors.NotADirectory(problem), "ENOTDIR");
    }
    return this.#imply(location);
  }

  /** Adds an existing directory, which a lower layer has. */
  #open(path: string, parent: Directory | undefined, status: FileStatus): Directory {
    const directory = new Directory(path, parent, ++this.#count, false, status);
    directory.seenAt = this.#removed;
    // An unprivileged owner may lack access to it. The mode is restored at the end.
    directory.isModeDue = this.#openUp(path, status);
    return directory;
  }

  #openUp(path: string, status: FileStatus): boolean {
    try {
      return openUpDirectory(this.#tree, path, status);
    } catch (error) {
      // It belongs to another user. An operation that needs more access fails later.
      if (error instanceof Deno.errors.PermissionDenied) return false;
      throw error;
    }
  }
}

function remember({ parent, name }: EntryLocation, child: Directory | string): void {
  (parent.children ??= new Map()).set(name, child);
}
