import { errorCode } from "../../spec/error_facts.ts";
import { type ExtractReport, ReportBuilder } from "../extraction/extract_report.ts";
import { ignoresCase, LowerNames, reasonOfTaken } from "../extraction/spellings.ts";
import { childPath, joinPaths } from "../trees/clean_path.ts";
import {
  copyDirectoryMetadata,
  openUpDirectory,
  settleDirectory,
} from "../trees/directory_metadata.ts";
import type { FileStatus, FileTree } from "../trees/file_tree.ts";
import { linkFreePaths } from "../trees/link_free_paths.ts";
import { moveEntry } from "../trees/move_entry.ts";
import { OpenedDirectories } from "../trees/opened_directories.ts";
import { removeEntry } from "../trees/remove_entry.ts";
import type { StagedLayer } from "./staged_layer.ts";

/** Whiteouts of a layer in a directory and below it. */
interface Marks {
  isOpaque: boolean;
  readonly names: Set<string>;
  readonly children: Map<string, Marks>;
}

/**
 * Merges a staged layer into the layers below it by renaming: applies its whiteouts, moves its
 * entries, and merges directories. The result equals an extraction of the layer over the others.
 *
 * @param tree A tree that contains both.
 * @param from Directory of the staged layer, which is left mostly empty.
 * @param to Directory of the layers below.
 * @param layer Result of {@linkcode stageLayer}.
 * @returns The report of the layer, with the names that are taken because the file system ignores
 * case. If a directory without an entry in the layer is not a directory below, `undefined`: nothing
 * has changed and the layer must be extracted over the others.
 */
export function mergeLayer(
  tree: FileTree,
  from: string,
  to: string,
  layer: StagedLayer,
): ExtractReport | undefined {
  if (!isPlain(tree, from, to, layer)) return undefined;
  return new LayerMerge(tree, from, to, layer).merge(marksOf(layer));
}

/** Whether the directories that the layer has no entries for are directories below, or missing. */
function isPlain(tree: FileTree, from: string, to: string, layer: StagedLayer): boolean {
  using directories = new OpenedDirectories(tree);
  const linkFreeIn = (root: string) => {
    return linkFreePaths((path) => directories.status(joinPaths(root, path))?.type);
  };
  const [isBelow, isStaged] = [linkFreeIn(to), linkFreeIn(from)];
  return layer.report.impliedDirectories.every(isBelow) &&
    layer.whiteouts.every(({ directory }) => isBelow(directory) && isStaged(directory));
}

/** Merges a directory step by step, and yields directories that have to be merged in between. */
interface DirectoryMerge extends Generator<DirectoryMerge, void, void> {}

class LayerMerge {
  readonly #tree: FileTree;
  readonly #from: string;
  readonly #to: string;
  readonly #undescribed: ReadonlySet<string>;
  readonly #opaque: ReadonlySet<string>;
  readonly #describesRoot: boolean;
  /** Names of the layers below, if the file system ignores case. */
  #lower: LowerNames | undefined;
  readonly #report = new ReportBuilder();

  constructor(tree: FileTree, from: string, to: string, layer: StagedLayer) {
    this.#tree = tree;
    this.#from = from;
    this.#to = to;
    this.#undescribed = new Set(layer.report.undescribedDirectories);
    this.#opaque = new Set(layer.opaque);
    this.#describesRoot = layer.report.describesRoot;
    this.#report.add(layer.report);
  }

  /** Merges the layer. Directories can be two thousand levels deep, too many for recursive calls. */
  merge(marks: Marks): ExtractReport {
    const open = [this.#mergeDirectory("", true, marks)];
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      const { done, value } = last.next();
      if (done) open.pop();
      else open.push(value);
    }
    return this.#report.build();
  }

  /**
   * Merges a directory of the layers below, and yields the merging of those in it, to be done next.
   *
   * @param isStaged Whether the layer has the directory as well.
   */
  *#mergeDirectory(path: string, isStaged: boolean, marks: Marks | undefined): DirectoryMerge {
    const lower = joinPaths(this.#to, path);
    const status = this.#openUp(lower);
    if (path === "") this.#lower = this.#findLowerNames();
    if (marks !== undefined) this.#hide(path, marks);
    const staged = joinPaths(this.#from, path);
    const upper = isStaged ? this.#openUp(staged) : undefined;
    const merged = upper === undefined ? undefined : yield* this.#place(path, marks);
    for (const [name, inner] of marks?.children ?? []) {
      const child = childPath(path, name);
      if (merged?.has(name)) continue;
      if (this.#tree.status(joinPaths(this.#to, child))?.type !== "directory") continue;
      yield this.#mergeDirectory(child, false, inner);
    }
    using directory = this.#tree.open(lower);
    if (upper === undefined || !this.#describes(path)) return settleDirectory(directory, status);
    using described = this.#tree.open(staged);
    copyDirectoryMetadata(described, directory, upper);
  }

  /** Finds out whether the file system ignores case, by the names in the root, which is open. */
  #findLowerNames(): LowerNames | undefined {
    const isFolding = this.#tree.list(this.#to).some((name) => {
      return ignoresCase(this.#tree, this.#to, name);
    });
    return isFolding ? new LowerNames(this.#tree) : undefined;
  }

  #describes(path: string): boolean {
    return path === "" ? this.#describesRoot : !this.#undescribed.has(path);
  }

  /** Applies the whiteouts of a directory. */
  #hide(path: string, marks: Marks): void {
    const lower = joinPaths(this.#to, path);
    for (const name of marks.isOpaque ? this.#tree.list(lower) : marks.names) {
      if (this.#lower?.other(lower, name) === undefined) {
        removeEntry(this.#tree, `${lower}/${name}`);
      }
    }
  }

  /** Moves the layer's entries of a directory, and returns their names. */
  *#place(
    path: string,
    marks: Marks | undefined,
  ): Generator<DirectoryMerge, ReadonlySet<string>, void> {
    const names = new Set<string>();
    for (const { name, isDirectory } of this.#tree.entries(joinPaths(this.#from, path))) {
      const child = childPath(path, name);
      names.add(name);
      if (this.#isTaken(path, name, isDirectory)) continue;
      if (isDirectory) yield* this.#placeDirectory(child, marks?.children.get(name));
      else this.#placeOther(child);
    }
    return names;
  }

  /** Whether an entry below has the name in this file system. Two directories become one. */
  #isTaken(directory: string, name: string, isDirectory: boolean): boolean {
    if (this.#lower === undefined) return false;
    const path = childPath(directory, name);
    const status = this.#tree.status(joinPaths(this.#to, path));
    const other = status && this.#lower.other(joinPaths(this.#to, directory), name, true);
    if (other === undefined) return false;
    this.#report.skip(path, reasonOfTaken(childPath(directory, other)));
    return !isDirectory || status?.type !== "directory";
  }

  *#placeDirectory(path: string, marks: Marks | undefined): DirectoryMerge {
    const lower = joinPaths(this.#to, path);
    const status = this.#tree.status(lower);
    if (status?.type === "directory" && !this.#opaque.has(path)) {
      return yield this.#mergeDirectory(path, true, marks);
    }
    if (status !== undefined) removeEntry(this.#tree, lower);
    moveEntry(this.#tree, joinPaths(this.#from, path), lower);
  }

  #placeOther(path: string): void {
    const staged = joinPaths(this.#from, path);
    const lower = joinPaths(this.#to, path);
    try {
      this.#tree.rename(staged, lower);
    } catch (error) {
      if (errorCode(error) !== "EISDIR") throw error;
      removeEntry(this.#tree, lower);
      this.#tree.rename(staged, lower);
    }
  }

  /** Grants access to a directory; `settleDirectory` restores its mode. */
  #openUp(path: string): FileStatus {
    const status = this.#tree.status(path);
    if (status === undefined) throw new Deno.errors.NotFound(`"${path}" no longer exists`);
    openUpDirectory(this.#tree, path, status);
    return status;
  }
}

function marksOf({ whiteouts }: StagedLayer): Marks {
  const root = newMarks();
  for (const { directory, name } of whiteouts) {
    let marks = root;
    for (const part of directory === "" ? [] : directory.split("/")) {
      marks = marks.children.getOrInsertComputed(part, newMarks);
    }
    if (name === undefined) marks.isOpaque = true;
    else marks.names.add(name);
  }
  return root;
}

function newMarks(): Marks {
  return { isOpaque: false, names: new Set(), children: new Map() };
}
