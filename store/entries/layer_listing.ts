import { parentPath } from "../../layer/trees/clean_path.ts";
import type { FileStatus, FileType } from "../../layer/trees/file_tree.ts";

/** The entries of a single layer, and their effects on the layers below. All paths are clean. */
export interface LayerListing {
  /** Returns the entry at a path; the root always exists. */
  at(path: string): ListedEntry | undefined;
  /** Whether the layer removes the entry of the layers below at a path, with everything in it. */
  removes(path: string): boolean;
  /** Whether the layer removes the entries of the layers below in a directory. */
  isOpaque(directory: string): boolean;
  readonly hasMarks: boolean;
  /**
   * Directories that the layer uses before it describes them. If one of them is a symlink in the
   * layers below, entries of the layer end up at other paths.
   */
  readonly dependencies: readonly string[];
}

export interface ListedEntry {
  readonly type: FileType;
  /** Whether it is a directory without an entry, which keeps the metadata of the one below it. */
  readonly isUndescribed: boolean;
  /** Target of a symlink; empty for other types. */
  readonly target: string;
  /** Position of the content of a file: the offset of its header in the archive of the layer. */
  readonly offset: number;
  /** Number of names that the file has in the layer. */
  readonly nlink: number;
  status(): FileStatus;
  /** Returns the extended attributes by name. */
  xattrs(): ReadonlyMap<string, Uint8Array>;
  /** Returns the paths of all names of the file in the layer. */
  names(): readonly string[];
  /** Returns the entries of a directory with their names, in any order. */
  children(): Iterable<readonly [name: string, entry: ListedEntry]>;
}

/** Whether a layer hides the entry of the layers below at a path. */
export function hides(listing: LayerListing, path: string): boolean {
  // Parents of a directory are directories: do not look them up, because paths can be very deep.
  let isInDirectory = false;
  for (let at = path;;) {
    if (listing.removes(at)) return true;
    if (at === "") return false;
    at = parentPath(at);
    if (listing.isOpaque(at)) return true;
    const parent: ListedEntry | undefined = isInDirectory ? undefined : listing.at(at);
    if (parent !== undefined && parent.type !== "directory") return true;
    isInDirectory ||= parent !== undefined;
    if (isInDirectory && !listing.hasMarks) return false;
  }
}
