import { type Directory, DirectoryTree, type EntryLocation } from "./_directory_tree.ts";
import type { EntryMetadata } from "./_entry_metadata.ts";
import { OwnershipError } from "../errors.ts";
import type { ReportBuilder } from "./extract_report.ts";
import type { FileTree, TreeEntry } from "../trees/file_tree.ts";
import { removeEntry } from "../trees/remove_entry.ts";
import type { WhiteoutHandler } from "./whiteout_handler.ts";

/** Of a directory that no entry describes. */
const IMPLIED = { mode: 0o755, mtime: 0, mtimeNs: 0 } as const;
const SET_GROUP_ID = 0o2000;
const ROOT_OWNER = { uid: 0, gid: 0 } as const;

/**
 * The names of a layer in a tree: what makes room for them, and what hides those of lower layers.
 * A whiteout hides lower content alone, wherever it stands in the layer, so what the layer itself
 * has is remembered: by name in directories that were there before, as a whole in those that the
 * layer made.
 */
export class LayerTree {
  readonly directories: DirectoryTree;
  readonly #tree: FileTree;
  readonly #handler: WhiteoutHandler;
  readonly #metadata: EntryMetadata;
  readonly #report: ReportBuilder;
  /** Paths of whiteouts, where they are something in the tree. */
  readonly #whiteouts = new Set<string>();
  readonly #opaque = new Set<Directory>();
  /** Set at the end, since what is made in the directories would inherit them. */
  readonly #defaultAcls = new Map<Directory, Uint8Array>();

  constructor(
    tree: FileTree,
    handler: WhiteoutHandler,
    metadata: EntryMetadata,
    report: ReportBuilder,
  ) {
    this.#tree = tree;
    this.#handler = handler;
    this.#metadata = metadata;
    this.#report = report;
    this.directories = new DirectoryTree(tree, (location) => this.#imply(location));
  }

  /** Makes room at a name, whatever is there. */
  vacate(location: EntryLocation): void {
    this.directories.forget(location);
    removeEntry(this.#tree, location.path);
    location.parent.isTimeDue = true;
  }

  /** Notes that this layer has something at a location that is no directory. */
  claim(location: EntryLocation): void {
    this.change(location);
    const { parent, name } = location;
    if (!parent.isOwn) (parent.names ??= new Set()).add(name);
  }

  /** Notes that this layer has a directory at a location. */
  change({ parent, path }: EntryLocation): void {
    parent.isTimeDue = true;
    parent.touch();
    if (this.#whiteouts.size > 0) this.#whiteouts.delete(path);
  }

  /** Whether what is at a path is a whiteout. */
  isWhiteout(path: string): boolean {
    return this.#whiteouts.has(path);
  }

  /** Keeps a directory's default access control list, or that it has none, for the end. */
  keepDefaultAcl(directory: Directory, value: Uint8Array | undefined): void {
    if (value === undefined) this.#defaultAcls.delete(directory);
    else this.#defaultAcls.set(directory, value.slice());
  }

  /**
   * Makes a directory, whatever is there.
   *
   * @param keepLink Whether a link to a directory, in its place, will do.
   */
  makeDirectory(location: EntryLocation, keepLink: boolean): Directory {
    const isMade = this.#tree.makeDirectory(location.path);
    const existing = isMade ? undefined : this.#existing(location, keepLink);
    if (existing !== undefined) return existing;
    if (!isMade) {
      this.vacate(location);
      this.#tree.makeDirectory(location.path);
    }
    const directory = this.directories.add(location, IMPLIED);
    this.change(location);
    // In the place of a whiteout, or of what had replaced it, a lower directory must stay hidden.
    if (!isMade && !this.#handler.stacked) this.#markOpaque(directory);
    return directory;
  }

  #existing(location: EntryLocation, keepLink: boolean): Directory | undefined {
    const directory = this.directories.at(location);
    if (directory !== undefined || !keepLink) return directory;
    const linked = this.directories.find(location.path);
    // The link stays, and belongs to this layer like a file that it has.
    if (linked !== undefined) this.claim(location);
    return linked;
  }

  /** Takes a whiteout of `name` in the directory that a path leads to. */
  hide(path: string, name: string): void {
    if (!this.#handler.stacked) return this.#hideAlone(path, name);
    const parent = this.directories.find(path);
    if (parent === undefined || parent.isOwn) return;
    this.#hideName(parent, name);
  }

  /** Takes the mark that a directory is opaque. */
  hideAll(path: string): void {
    if (this.#handler.stacked) {
      const directory = this.directories.find(path);
      if (directory !== undefined) this.#hideContent(directory);
    } else if (path === "") {
      this.#report.markRootOpaque();
      this.#markOpaque(this.directories.root);
    } else {
      this.#markOpaque(this.#makeHiding(path));
    }
  }

  /**
   * Gives a directory of this layer alone its mode and times at once, so that no more need be known
   * of it than that it is there. If something comes into it they are set again at the end.
   */
  settle(location: EntryLocation, directory: Directory, entry: TreeEntry): void {
    const { isOwn, children, mode, mtime, mtimeNs } = directory;
    if (!isOwn || children !== undefined || directory.path !== location.path) return;
    if (this.#opaque.has(directory) || this.#defaultAcls.has(directory)) return;
    // What is made in a directory with this bit inherits its group.
    if ((mode & SET_GROUP_ID) !== 0) return;
    entry.setMode(mode);
    entry.setTimes(mtime, mtimeNs);
    this.directories.settle(location);
  }

  /** Sets the modes and times of directories, the deepest first. */
  finish(): void {
    this.#finish(this.directories.root);
  }

  #hideName(parent: Directory, name: string): void {
    const location = parent.locate(name);
    const child = this.directories.known(location);
    if (child?.isTouched) {
      this.#hideContent(child);
      if (!child.hasEntry) this.#describeAsImplied(child);
    } else if (!parent.names?.has(name)) {
      this.directories.forget(location);
      this.#handler.hide(this.#tree, location.path);
      parent.isTimeDue = true;
    }
  }

  #hideContent(directory: Directory): void {
    if (directory.isOwn) return;
    for (const name of this.#tree.list(directory.path)) this.#hideName(directory, name);
    directory.isOwn = true;
    directory.names = undefined;
    directory.isTimeDue = true;
  }

  /** A whiteout in a tree that holds this layer alone. */
  #hideAlone(path: string, name: string): void {
    const parent = this.#makeHiding(path);
    const location = parent.locate(name);
    if (this.#opaque.has(parent) || this.#whiteouts.has(location.path)) return;
    const status = this.#tree.status(location.path);
    if (status === undefined) {
      this.#handler.hide(this.#tree, location.path);
      this.change(location);
      this.#whiteouts.add(location.path);
    } else if (status.type === "directory") {
      this.#markOpaque(this.directories.make(location.path));
      this.#report.describe(location.path);
    }
    // Anything else of this layer hides what is below it by being there.
  }

  /** A directory in which something is hidden, in a tree that holds this layer alone. */
  #makeHiding(path: string): Directory {
    const isThere = this.directories.find(path) !== undefined;
    const directory = this.directories.make(path);
    if (!isThere) this.#report.hideIn(directory.path);
    return directory;
  }

  #markOpaque(directory: Directory): void {
    if (this.#opaque.has(directory)) return;
    this.#opaque.add(directory);
    this.#handler.hideAll(this.#tree, directory.path);
  }

  #imply(location: EntryLocation): Directory {
    const directory = this.makeDirectory(location, false);
    this.#describeAsImplied(directory);
    // In the place of something else of this layer, nothing of a lower one is left of it.
    if (this.#opaque.has(directory)) this.#report.describe(directory.path);
    return directory;
  }

  #describeAsImplied(directory: Directory): void {
    this.#report.imply(directory.path);
    Object.assign(directory, IMPLIED, { isModeDue: true, isTimeDue: true });
    this.keepDefaultAcl(directory, undefined);
    using entry = this.#tree.open(directory.path);
    if (!directory.isBare) this.#metadata.clearXattrs(entry, !this.#handler.stacked);
    directory.isBare = false;
    try {
      this.#metadata.setOwner(entry, ROOT_OWNER, { path: directory.path, offset: 0 });
    } catch (error) {
      // The layer does not say whose it is; it stays with whoever extracts.
      if (!(error instanceof OwnershipError)) throw error;
    }
  }

  #finish(directory: Directory): void {
    for (const child of directory.children?.values() ?? []) {
      if (typeof child === "object") this.#finish(child);
    }
    if (!directory.isModeDue && !directory.isTimeDue) return;
    using entry = this.#tree.open(directory.path);
    if (directory.isModeDue) entry.setMode(directory.mode);
    const acl = this.#defaultAcls.get(directory);
    if (acl !== undefined) this.#metadata.setDefaultAcl(entry, acl, directory.path);
    if (directory.isTimeDue) this.#setTimes(entry, directory);
  }

  #setTimes(entry: TreeEntry, directory: Directory): void {
    try {
      entry.setTimes(directory.mtime, directory.mtimeNs);
    } catch (error) {
      // A directory that was there before may be somebody else's, who lets this process write.
      if (directory.hasEntry || !(error instanceof Deno.errors.PermissionDenied)) throw error;
      this.#report.skip(directory.path, `its time could not be kept: ${error.message}`);
    }
  }
}
