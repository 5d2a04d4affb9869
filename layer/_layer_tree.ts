import { type Directory, DirectoryTree } from "./_directory_tree.ts";
import type { EntryMetadata } from "./_entry_metadata.ts";
import { removeTree } from "./_remove_tree.ts";
import { OwnershipError } from "./errors.ts";
import type { ReportBuilder } from "./extract_report.ts";
import type { FileTree, TreeEntry } from "./file_tree.ts";
import type { WhiteoutHandler } from "./whiteout_handler.ts";

/** Of a directory that no entry describes. */
const IMPLIED = { mode: 0o755, mtime: 0, mtimeNs: 0 } as const;
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
    this.directories = new DirectoryTree(tree, (parent, name) => this.#imply(parent, name));
  }

  /** Makes room at a name, whatever is there. */
  vacate(parent: Directory, name: string): void {
    this.directories.forget(parent, name);
    removeTree(this.#tree, parent.join(name));
    parent.isTimeDue = true;
  }

  /**
   * Makes a directory, whatever is there.
   *
   * @param keepLink Whether a link to a directory, in its place, will do.
   */
  makeDirectory(parent: Directory, name: string, keepLink: boolean): Directory {
    const path = parent.join(name);
    const isMade = this.#tree.makeDirectory(path);
    const existing = isMade ? undefined : this.#existing(parent, name, keepLink);
    if (!isMade && existing === undefined) {
      this.vacate(parent, name);
      this.#tree.makeDirectory(path);
    }
    const directory = existing ?? this.directories.add(parent, name, IMPLIED);
    parent.claim(name);
    // In the place of a whiteout, or of what had replaced it, a lower directory must stay hidden.
    const isReplaced = !isMade && existing === undefined;
    if (isReplaced && !this.#handler.stacked) this.#markOpaque(directory);
    return directory;
  }

  #existing(parent: Directory, name: string, keepLink: boolean): Directory | undefined {
    return this.directories.child(parent, name) ??
      (keepLink ? this.directories.find(parent.join(name)) : undefined);
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
      this.#markOpaque(this.directories.make(path));
    }
  }

  /** Sets the modes and times of directories, the deepest first. */
  finish(): void {
    this.#finish(this.directories.root);
  }

  #hideName(parent: Directory, name: string): void {
    const child = parent.children?.get(name);
    if (typeof child === "object" && child.isTouched) {
      this.#hideContent(child);
      if (!child.hasEntry) this.#describeAsImplied(child);
    } else if (!parent.names?.has(name)) {
      this.directories.forget(parent, name);
      this.#handler.hide(this.#tree, parent.join(name));
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
    const parent = this.directories.make(path);
    if (parent.isOpaque || parent.whiteouts?.has(name)) return;
    const status = this.#tree.status(parent.join(name));
    if (status === undefined) {
      this.#handler.hide(this.#tree, parent.join(name));
      (parent.whiteouts ??= new Set()).add(name);
      parent.isTimeDue = true;
      parent.touch();
    } else if (status.type === "directory") {
      this.#markOpaque(this.directories.make(parent.join(name)));
    }
    // Anything else of this layer hides what is below it by being there.
  }

  #markOpaque(directory: Directory): void {
    if (directory.isOpaque) return;
    directory.isOpaque = true;
    this.#handler.hideAll(this.#tree, directory.path);
  }

  #imply(parent: Directory, name: string): Directory {
    const directory = this.makeDirectory(parent, name, false);
    this.#describeAsImplied(directory);
    return directory;
  }

  #describeAsImplied(directory: Directory): void {
    this.#report.imply(directory.path);
    Object.assign(directory, IMPLIED, { isModeDue: true, isTimeDue: true, defaultAcl: undefined });
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
    if (directory.defaultAcl !== undefined) {
      this.#metadata.setDefaultAcl(entry, directory.defaultAcl, directory.path);
    }
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
