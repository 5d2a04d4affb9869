import { LimitError } from "../../spec/errors.ts";
import { describeCause } from "../linux/native_error.ts";
import { checkPathSize } from "../trees/clean_path.ts";
import type { FileTree, TreeEntry } from "../trees/file_tree.ts";
import { removeEntry } from "../trees/remove_entry.ts";
import type { Directory, EntryLocation } from "./_directory.ts";
import { DirectoryCache } from "./_directory_cache.ts";
import type { EntryMetadata } from "./_entry_metadata.ts";
import type { ReportBuilder } from "./extract_report.ts";
import { Spellings } from "./spellings.ts";
import { LINK_DIRECTORY } from "./whiteout.ts";
import {
  isStacked,
  removingWhiteouts,
  type WhiteoutHandler,
  type WhiteoutMode,
} from "./whiteout_handler.ts";

/** Metadata of a directory without an entry. */
const IMPLIED = { mode: 0o755, mtime: 0, mtimeNs: 0 } as const;
const SET_GROUP_ID = 0o2000;
/**
 * Maximum size of the paths of all implied directories in a layer: an entry can have two thousand
 * parents, so the number of entries does not limit them.
 */
const MAX_IMPLIED_BYTES = 67_108_864;
/** Number of levels of an implied directory that are not counted. Real images have fewer. */
const FREE_LEVELS = 64;
/**
 * Maximum number of further levels of all implied directories together, as in five paths of 4096
 * bytes. Each level costs time whenever a path is resolved.
 */
const MAX_FURTHER_LEVELS = 10_000_000;

/**
 * The names of a layer in a tree. Replaces existing entries and applies whiteouts. A whiteout only
 * hides lower layers, wherever it is in the layer, so the layer's own entries are recorded: by name
 * in existing directories, and as a whole in directories that the layer created.
 */
export class LayerNames {
  readonly directories: DirectoryCache;
  readonly spellings: Spellings;
  /** Whether the tree also contains the lower layers. */
  readonly isStacked: boolean;
  readonly #tree: FileTree;
  /** Handler of whiteouts; `undefined` if they hide nothing. */
  readonly #handler: WhiteoutHandler | undefined;
  readonly #metadata: EntryMetadata;
  readonly #report: ReportBuilder;
  /** Paths of whiteouts that exist as files in the tree. */
  readonly #whiteouts = new Set<string>();
  readonly #opaque = new Set<Directory>();
  /** Set at the end, because new entries would inherit them. */
  readonly #defaultAcls = new Map<Directory, Uint8Array>();
  /** The directory of the files that aufs stores for hard links, if the layer has any. */
  #linkDirectory: EntryLocation | undefined;
  #impliedBytes = 0;
  #furtherLevels = 0;

  constructor(
    tree: FileTree,
    whiteouts: WhiteoutMode,
    metadata: EntryMetadata,
    report: ReportBuilder,
  ) {
    this.#tree = tree;
    // Without whiteouts, an archive is extracted over what the tree has.
    const handler = whiteouts === "literal" ? removingWhiteouts() : whiteouts;
    this.#handler = handler === "omit" ? undefined : handler;
    this.isStacked = isStacked(whiteouts);
    this.#metadata = metadata;
    this.#report = report;
    this.spellings = new Spellings(tree);
    this.directories = new DirectoryCache(tree, (location) => this.#imply(location));
  }

  /** Removes an existing entry. */
  vacate(location: EntryLocation): void {
    this.#forget(location);
    removeEntry(this.#tree, location.path);
    location.parent.isTimeDue = true;
  }

  /** Records that the layer has an entry that is not a directory. */
  claim(location: EntryLocation): void {
    this.change(location);
    const { parent, name } = location;
    if (!parent.isOwn) (parent.names ??= new Set()).add(name);
  }

  /** Records that the layer has an entry. */
  change(location: EntryLocation): void {
    const { parent, path } = location;
    this.spellings.add(location);
    parent.isTimeDue = true;
    parent.touch();
    if (this.#whiteouts.size > 0) this.#whiteouts.delete(path);
  }

  /** Whether the file at a path is a whiteout. */
  isWhiteout(path: string): boolean {
    return this.#whiteouts.has(path);
  }

  /** Stores the default ACL of a directory, or its absence, until the end. */
  keepDefaultAcl(directory: Directory, value: Uint8Array | undefined): void {
    if (value === undefined) this.#defaultAcls.delete(directory);
    else this.#defaultAcls.set(directory, value.slice());
  }

  /**
   * Creates a directory, and replaces an existing entry of another type.
   *
   * @param keepLink Whether to keep an existing symlink to a directory.
   */
  makeDirectory(location: EntryLocation, keepLink: boolean): Directory {
    checkPathSize(location.path);
    const isMade = this.#tree.makeDirectory(location.path);
    const existing = isMade ? undefined : this.#existing(location, keepLink);
    if (existing !== undefined) return existing;
    if (!isMade) {
      this.vacate(location);
      this.#tree.makeDirectory(location.path);
    }
    const directory = this.directories.add(location, IMPLIED);
    this.change(location);
    // It replaces an entry of the layer, which must continue to hide a lower directory.
    if (!isMade && !this.isStacked) this.#markOpaque(directory);
    return directory;
  }

  #existing(location: EntryLocation, keepLink: boolean): Directory | undefined {
    const directory = this.directories.at(location);
    if (directory !== undefined || !keepLink) return directory;
    const linked = this.directories.find(location.path);
    // The symlink stays and counts as an entry of the layer.
    if (linked !== undefined) this.claim(location);
    return linked;
  }

  /**
   * Applies a whiteout of `name` in the directory at a path.
   *
   * @throws {Deno.errors.FilesystemLoop} If there are too many symlinks in the path.
   */
  hide(path: string, name: string): void {
    if (this.#handler === undefined) return void this.directories.find(path);
    if (!this.isStacked) return this.#hideAlone(path, name);
    const parent = this.directories.find(path);
    if (parent === undefined || parent.isOwn) return;
    this.#hideName(parent, name);
  }

  /** Applies an opaque whiteout to the directory at a path. */
  hideAll(path: string): void {
    if (this.#handler === undefined) return void this.directories.find(path);
    if (this.isStacked) {
      const directory = this.directories.find(path);
      if (directory !== undefined) this.#hideContent(directory);
    } else {
      const directory = this.#makeHiding(path);
      // A symlink can lead to the root as well.
      if (directory.path === "") this.#report.markRootOpaque();
      this.#markOpaque(directory);
    }
  }

  /**
   * Sets the mode and times of a new directory at once, so that its state can be dropped. If
   * something is created in it, they are set again at the end.
   */
  settle(location: EntryLocation, directory: Directory, entry: TreeEntry): void {
    const { isOwn, children, mode, mtime, mtimeNs } = directory;
    if (!isOwn || children !== undefined || directory.path !== location.path) return;
    if (this.#opaque.has(directory) || this.#defaultAcls.has(directory)) return;
    // New entries inherit the group of a directory with this bit.
    if ((mode & SET_GROUP_ID) !== 0) return;
    entry.setMode(mode);
    entry.setTimes(mtime, mtimeNs);
    this.directories.settle(location);
  }

  /**
   * Creates the directory of the files that aufs stores for hard links. It exists until the end,
   * because the links name these files.
   */
  makeLinkDirectory(): void {
    if (this.#linkDirectory !== undefined) return;
    this.#linkDirectory = this.directories.root.locate(LINK_DIRECTORY);
    // A killed process may have left one.
    this.vacate(this.#linkDirectory);
    this.makeDirectory(this.#linkDirectory, false);
  }

  /** Removes the files of aufs, and sets the modes and times of directories, the deepest first. */
  finish(): void {
    if (this.#linkDirectory !== undefined) this.vacate(this.#linkDirectory);
    this.#finish(this.directories.root);
  }

  #hideName(parent: Directory, name: string): void {
    const location = parent.locate(name);
    const child = this.directories.known(location);
    if (child?.isTouched) {
      this.#hideContent(child);
      if (!child.hasEntry) this.#describeAsImplied(child);
    } else if (!parent.names?.has(name) && this.spellings.other(location) === undefined) {
      this.#forget(location);
      this.#handler?.hide(this.#tree, location.path);
      parent.isTimeDue = true;
    }
  }

  /** Removes an entry that will be deleted from the cache. */
  #forget(location: EntryLocation): void {
    this.directories.forget(location);
    if (this.#tree.status(location.path)?.type !== "directory") return;
    this.directories.countRemoved(location);
  }

  #hideContent(directory: Directory): void {
    if (directory.isOwn) return;
    for (const name of this.#tree.list(directory.path)) this.#hideName(directory, name);
    directory.isOwn = true;
    directory.names = undefined;
    directory.isTimeDue = true;
  }

  /** Applies a whiteout in a tree that only contains this layer. */
  #hideAlone(path: string, name: string): void {
    const parent = this.#makeHiding(path);
    const location = parent.locate(name);
    if (this.#opaque.has(parent) || this.#whiteouts.has(location.path)) return;
    const status = this.#tree.status(location.path);
    if (status === undefined) {
      this.#handler?.hide(this.#tree, location.path);
      this.change(location);
      this.#whiteouts.add(location.path);
    } else if (status.type === "directory") {
      this.#markOpaque(this.directories.make(location.path));
      this.#report.describe(location.path);
    }
    // Any other entry of the layer hides lower ones by itself.
  }

  /** Finds or creates the directory of a whiteout, in a tree that only contains this layer. */
  #makeHiding(path: string): Directory {
    const isThere = this.directories.find(path) !== undefined;
    const directory = this.directories.make(path);
    if (!isThere) this.#report.hideIn(directory.path);
    return directory;
  }

  #markOpaque(directory: Directory): void {
    if (this.#opaque.has(directory)) return;
    this.#opaque.add(directory);
    this.#handler?.hideAll?.(this.#tree, directory.path);
  }

  #imply(location: EntryLocation): Directory {
    this.#countImplied(location.path);
    const directory = this.makeDirectory(location, false);
    this.#describeAsImplied(directory);
    // It replaces another entry of this layer, so it inherits nothing from a lower directory.
    if (this.#opaque.has(directory)) this.#report.describe(directory.path);
    return directory;
  }

  #countImplied(path: string): void {
    this.#impliedBytes += path.length;
    this.#furtherLevels += Math.max(0, levelsOf(path) - FREE_LEVELS);
    const what = "of directories without entries";
    if (this.#impliedBytes > MAX_IMPLIED_BYTES) {
      const limit = `bytes in paths ${what}`;
      throw new LimitError(limit, MAX_IMPLIED_BYTES, this.#impliedBytes, "a layer");
    }
    if (this.#furtherLevels > MAX_FURTHER_LEVELS) {
      const limit = `levels beyond ${FREE_LEVELS} ${what}`;
      throw new LimitError(limit, MAX_FURTHER_LEVELS, this.#furtherLevels, "a layer");
    }
  }

  #describeAsImplied(directory: Directory): void {
    this.#report.imply(directory.path);
    directory.describe(IMPLIED);
    this.keepDefaultAcl(directory, undefined);
    using entry = this.#tree.open(directory.path);
    if (!directory.isBare) this.#metadata.clearXattrs(entry);
    directory.isBare = false;
    this.#metadata.setImpliedOwner(entry, directory.path);
  }

  #finish(directory: Directory): void {
    for (const child of directory.children?.values() ?? []) {
      if (typeof child === "object" && this.directories.exists(child)) this.#finish(child);
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
      // An existing directory may belong to another user who lets this process write to it.
      if (directory.hasEntry || !(error instanceof Deno.errors.PermissionDenied)) throw error;
      this.#report.skip(
        directory.path,
        `its modification time could not be restored: ${describeCause(error)}`,
      );
    }
  }
}

/** Counts the components of a path. */
function levelsOf(path: string): number {
  let count = 1;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) count++;
  return count;
}
