import { withCode } from "../../spec/error_facts.ts";
import { leafName } from "../trees/clean_path.ts";
import { openUpDirectory } from "../trees/directory_metadata.ts";
import type { FileStatus, FileTree } from "../trees/file_tree.ts";
import { NameTable } from "../trees/name_table.ts";
import { walkPath } from "../trees/walk_path.ts";
import { Directory, type DirectoryMetadata, type EntryLocation } from "./_directory.ts";
import { ignoresCase } from "./spellings.ts";

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
  /** Whether the cache has had names with several forms. */
  #hasForms = false;
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
    directory.isMade = directory.isBare = true;
    directory.isModeDue = directory.isTimeDue = true;
    directory.seenAt = this.#removed;
    this.#remember(location, directory);
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
   * Records that a directory will be removed. Where the file system ignores case, it may be in the
   * cache under other spellings of its path, and a symlink may replace it.
   */
  countRemoved({ parent, name }: EntryLocation): void {
    this.#forgetLast();
    const isExact = !this.#hasForms && !hasForms(name) && this.#hasExactNames(parent, name);
    if (!isExact) this.#removed++;
  }

  /**
   * @param name A name that exists in the directory.
   */
  #hasExactNames(directory: Directory, name: string): boolean {
    const { parent, path } = directory;
    return directory.hasExactNames ??= parent === undefined
      ? ignoresCase(this.#tree, path, name) === false
      : this.#hasExactNames(parent, leafName(path)) &&
        (directory.isMade || ignoresCase(this.#tree, path, name) === false);
  }

  #remember({ parent, name }: EntryLocation, child: Directory | string): void {
    this.#hasForms ||= hasForms(name);
    (parent.children ??= new Map()).set(name, child);
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
    this.#remember(location, directory);
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
      this.#remember(location, directory);
      return directory;
    }
    if (status?.type === "symlink") {
      const target = this.#tree.readLink(path);
      this.#remember(location, target);
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

/** Whether a file system may find an entry by another form of its name, even if it respects case. */
function hasForms(name: string): boolean {
  return name.normalize("NFC") !== name || name.normalize("NFD") !== name;
}
