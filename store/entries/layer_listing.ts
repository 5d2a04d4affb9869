import type { FileStatus, FileType } from "../../layer/trees/file_tree.ts";
import type { LayerMarks } from "./layer_marks.ts";

/** The entries of a single layer, and their effects on the layers below. All paths are clean. */
export interface LayerListing {
  /** Returns the entry at a path; the root always exists. */
  at(path: string): ListedEntry | undefined;
  /** What the layer removes from the layers below. */
  readonly marks: LayerMarks;
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
