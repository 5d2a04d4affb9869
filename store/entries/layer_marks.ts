import { comparePaths, countUpTo, isBelow, parentPath } from "../../layer/trees/clean_path.ts";
import type { FileType } from "../../layer/trees/file_tree.ts";

/** What a layer removes from the layers below. All paths are clean. */
export class LayerMarks {
  readonly #removed: ReadonlySet<string>;
  readonly #opaque: ReadonlySet<string>;
  /** The parents of all marked paths. */
  #parents: ReadonlySet<string> | undefined;
  /** Marks that are not below others, in the order of a tree walk. */
  #outermost: readonly string[] | undefined;

  /**
   * Creates the marks of a layer.
   *
   * @param removed Paths whose lower entries are removed, with everything in them.
   * @param opaque Directories whose lower entries are removed.
   */
  constructor(removed: ReadonlySet<string>, opaque: ReadonlySet<string>) {
    this.#removed = removed;
    this.#opaque = opaque;
  }

  get isEmpty(): boolean {
    return this.#removed.size + this.#opaque.size === 0;
  }

  /** Whether there is a mark that removes the lower entry at a path. */
  removes(path: string): boolean {
    return this.#removed.has(path);
  }

  /** Whether there is a mark that removes the lower entries in a directory. */
  isOpaque(directory: string): boolean {
    return this.#opaque.has(directory);
  }

  /** Whether there are marks at entries of a directory. */
  areIn(directory: string): boolean {
    if (this.isEmpty) return false;
    this.#parents ??= new Set(this.#removed.union(this.#opaque).values().map(parentPath));
    return this.#parents.has(directory);
  }

  /**
   * Whether a mark at a path or at any of its parents removes the lower entry at the path. Takes
   * the same time whatever the number of parents: there can be two thousand.
   */
  hides(path: string): boolean {
    if (this.isEmpty) return false;
    const outermost = this.#outermost ??= this.#findOutermost();
    const mark = outermost[countUpTo(outermost.length, (i) => outermost[i] ?? "", path) - 1];
    if (mark === undefined) return false;
    return mark === path ? this.removes(path) : isBelow(path, mark);
  }

  #findOutermost(): readonly string[] {
    const outermost: string[] = [];
    for (const path of [...this.#removed.union(this.#opaque)].sort(comparePaths)) {
      const last = outermost.at(-1);
      if (last === undefined || !isBelow(path, last)) outermost.push(path);
    }
    return outermost;
  }
}

/** The part of a listing that shows what it hides. */
interface MarkedEntries {
  readonly marks: LayerMarks;
  at(path: string): { readonly type: FileType } | undefined;
}

/** Whether a layer hides the entry of the layers below at a path. */
export function hides(listing: MarkedEntries, path: string): boolean {
  return listing.marks.hides(path) || leadsThroughOther(listing, path);
}

/** Whether the last existing parent of a path is not a directory. */
function leadsThroughOther(listing: MarkedEntries, path: string): boolean {
  const directory = parentPath(path);
  // The root is always a directory.
  if (directory === "") return false;
  const parent = listing.at(directory);
  if (parent !== undefined) return parent.type !== "directory";
  // Nothing is below a missing parent. Search in halves, because paths can be very deep.
  const ends = Array.from(path.matchAll(/\//g), ({ index }) => index);
  let type: FileType = "directory";
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = low + high >> 1;
    const entry = listing.at(path.slice(0, ends[middle]));
    if (entry === undefined) {
      high = middle;
    } else {
      type = entry.type;
      low = middle + 1;
    }
  }
  return type !== "directory";
}
