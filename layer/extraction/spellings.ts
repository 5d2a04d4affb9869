import { childPath } from "../trees/clean_path.ts";
import type { FileTree } from "../trees/file_tree.ts";
import type { EntryLocation } from "./_directory.ts";

/**
 * Spellings of the names of a layer in a file system that ignores case or the form of accented
 * letters, as those of macOS, Windows and FAT do. Two names can then be one.
 */
export class Spellings {
  readonly #tree: FileTree;
  readonly #lower: LowerNames;
  /** Paths of the layer's entries by their folded form. */
  readonly #paths = new Map<string, string>();
  /** Whether the file system ignores case; `undefined` until an entry shows it. */
  #isFolding: boolean | undefined;

  constructor(tree: FileTree) {
    this.#tree = tree;
    this.#lower = new LowerNames(tree);
  }

  /** Returns the path of an entry whose name is the same in this file system. */
  other({ parent, name, path }: EntryLocation): string | undefined {
    if (this.#isFolding === false) return undefined;
    const known = this.#paths.get(fold(path));
    if (known === path) return undefined;
    // The file system may ignore case only, or the other entry may have been removed.
    if (this.#tree.status(path) === undefined) return undefined;
    if (known !== undefined) return known;
    const lower = parent.isOwn ? undefined : this.#lower.other(parent.path, name);
    if (lower === undefined) return undefined;
    // The layer may have both names, after the directory was listed.
    this.#isFolding ??= !this.#tree.list(parent.path).includes(name);
    return this.#isFolding ? childPath(parent.path, lower) : undefined;
  }

  /** Records an entry that exists. */
  add(location: EntryLocation): void {
    if (this.#isFolding === false) return;
    this.#isFolding ??= ignoresCase(this.#tree, location.parent.path, location.name);
    if (!this.#isFolding) return;
    const key = fold(location.path);
    if (!this.#paths.has(key)) this.#paths.set(key, location.path);
  }
}

/**
 * Names of directories of lower layers. Each directory is listed once, before the current layer
 * changes it.
 */
export class LowerNames {
  readonly #tree: FileTree;
  /** Names by their folded form, for each directory. */
  readonly #names = new Map<string, ReadonlyMap<string, readonly string[]>>();
  /** Whether a listed name shows that the file system does not decompose accented letters. */
  #keepsForms = false;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /**
   * Returns another spelling of a name in a directory, unless the name is there as well.
   *
   * @param isListed Whether the file system has listed the name, in any directory.
   */
  other(directory: string, name: string, isListed = false): string | undefined {
    const names = this.#names.getOrInsertComputed(directory, () => this.#list(directory))
      .get(fold(name)) ?? [];
    if (names.includes(name)) return undefined;
    const form = names.find((other) => nfc(other) === nfc(name));
    // HFS+ decomposes accented letters, and then lists the name of the archive in another form.
    if (form !== undefined && !isListed && !this.#keepsForms) return undefined;
    return form ?? names[0];
  }

  #list(directory: string): ReadonlyMap<string, readonly string[]> {
    const names = this.#tree.list(directory);
    this.#keepsForms ||= names.some((name) => name.normalize("NFD") !== name);
    return Map.groupBy(names, fold);
  }
}

/** Says why an entry is missing whose name is that of another one. */
export function reasonOfTaken(other: string): string {
  return `its name is that of "${other}" in this file system`;
}

/**
 * Returns whether a file system ignores the case of the name of an entry; `undefined` if the name
 * has no ASCII letter.
 */
export function ignoresCase(tree: FileTree, directory: string, name: string): boolean | undefined {
  const swapped = swapCase(name);
  if (swapped === name) return undefined;
  if (tree.status(childPath(directory, swapped)) === undefined) return false;
  // The inode number says nothing: on FUSE, each spelling can have its own.
  const names = tree.list(directory);
  return !names.includes(name) || !names.includes(swapped);
}

/** Changes the case of ASCII letters, about which file systems agree. The length stays the same. */
function swapCase(name: string): string {
  const upper = name.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  return upper === name ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : upper;
}

/** Returns the form that all spellings of a path share. The uppercase of `ß` is `SS`. */
function fold(path: string): string {
  return nfc(path).toUpperCase().toLowerCase();
}

function nfc(path: string): string {
  return path.normalize("NFC");
}
