import { childPath } from "../trees/clean_path.ts";
import type { FileTree } from "../trees/file_tree.ts";
import type { EntryLocation } from "./_directory_cache.ts";

/**
 * Spellings of the names of a layer in a file system that ignores case or the form of accented
 * letters, as those of macOS, Windows and FAT do. Two names of the layer can then be one.
 */
export class Spellings {
  readonly #tree: FileTree;
  /** Paths of entries by their folded form. */
  readonly #paths = new Map<string, string>();
  /** Whether the file system ignores case; `undefined` until an entry shows it. */
  #isFolding: boolean | undefined;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** Returns the path of an entry whose name is the same in this file system. */
  other({ path }: EntryLocation): string | undefined {
    if (!this.#isFolding) return undefined;
    const known = this.#paths.get(fold(path));
    if (known === undefined || known === path) return undefined;
    // The file system may ignore case only, or the other entry may have been removed.
    return this.#tree.status(path) === undefined ? undefined : known;
  }

  /** Records an entry that exists. */
  add(location: EntryLocation): void {
    if (this.#isFolding === false) return;
    this.#isFolding ??= this.#foldsAt(location);
    if (!this.#isFolding) return;
    const key = fold(location.path);
    if (!this.#paths.has(key)) this.#paths.set(key, location.path);
  }

  /** Whether the file system ignores the case of a name; `undefined` if it has no ASCII letter. */
  #foldsAt({ parent, name }: EntryLocation): boolean | undefined {
    const swapped = swapCase(name);
    if (swapped === name) return undefined;
    if (this.#tree.status(childPath(parent.path, swapped)) === undefined) return false;
    // The inode number says nothing: on FUSE, each spelling can have its own.
    const names = this.#tree.list(parent.path);
    return !names.includes(name) || !names.includes(swapped);
  }
}

/** Changes the case of ASCII letters, about which file systems agree. The length stays the same. */
function swapCase(name: string): string {
  const upper = name.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  return upper === name ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : upper;
}

/** Returns the form that all spellings of a path share. The uppercase of `ß` is `SS`. */
function fold(path: string): string {
  return path.normalize("NFC").toUpperCase().toLowerCase();
}
