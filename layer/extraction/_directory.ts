import type { FileStatus } from "../trees/file_tree.ts";

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
  /** Whether the layer created it. It then compares names as its parent does. */
  isMade = false;
  /** Whether no directory on its path ignores case, nor it itself; `undefined` if not known yet. */
  hasExactNames: boolean | undefined;

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
