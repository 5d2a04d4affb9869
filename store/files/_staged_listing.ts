import type { MemoryTree } from "../../layer/memory/memory_tree.ts";
import type { StagedLayer } from "../../layer/merging/staged_layer.ts";
import { childPath } from "../../layer/trees/clean_path.ts";
import type { FileStatus, FileType } from "../../layer/trees/file_tree.ts";
import type { LayerListing, ListedEntry } from "../entries/layer_listing.ts";
import { LayerMarks } from "../entries/layer_marks.ts";
import type { FoundEntry } from "./_layer_stack.ts";

/** A layer that was extracted into a separate tree. */
export class StagedListing implements LayerListing {
  readonly dependencies: readonly string[];
  readonly marks: LayerMarks;
  readonly #staged: StagedTree;

  /** Creates the listing from the result of `stageLayer()`. */
  constructor(tree: MemoryTree, { report, whiteouts, opaque }: StagedLayer) {
    const { describesRoot, impliedDirectories, undescribedDirectories } = report;
    const undescribed = new Set([...describesRoot ? [] : [""], ...undescribedDirectories]);
    this.#staged = new StagedTree(tree, undescribed);
    // A directory that replaced another entry of the layer hides a lower one.
    const removed = new Set([
      ...opaque,
      ...whiteouts.flatMap(({ directory, name }) => {
        return name === undefined ? [] : [childPath(directory, name)];
      }),
    ]);
    const opaqueDirectories = new Set(whiteouts.flatMap(({ directory, name }) => {
      return name === undefined ? [directory] : [];
    }));
    this.marks = new LayerMarks(removed, opaqueDirectories);
    const used = whiteouts.filter(({ isDescribed }) => !isDescribed);
    this.dependencies = [
      ...new Set([...impliedDirectories, ...used.map(({ directory }) => directory)]),
    ].filter((path) => path !== "");
  }

  at(path: string): ListedEntry | undefined {
    const status = this.#staged.tree.status(path);
    return status && new StagedEntry(this.#staged, path, status);
  }
}

/** A tree in memory that does not change any more. */
class StagedTree {
  readonly tree: MemoryTree;
  readonly undescribed: ReadonlySet<string>;
  /** Paths of the files with several names, by inode. */
  #names: ReadonlyMap<number, readonly string[]> | undefined;

  constructor(tree: MemoryTree, undescribed: ReadonlySet<string>) {
    this.tree = tree;
    this.undescribed = undescribed;
  }

  /** Returns the paths of a file with several names. */
  namesOf(ino: number): readonly string[] {
    return (this.#names ??= this.#groupNames()).get(ino) ?? [];
  }

  #groupNames(): ReadonlyMap<number, readonly string[]> {
    const names = new Map<number, string[]>();
    for (const { path } of this.tree.contents()) {
      const status = this.tree.status(path);
      if (status === undefined || status.nlink === 1) continue;
      names.getOrInsertComputed(status.ino, () => []).push(path);
    }
    return names;
  }
}

/** An entry of a tree in memory. */
class StagedEntry implements ListedEntry {
  readonly #staged: StagedTree;
  readonly #path: string;
  readonly #status: FileStatus;

  constructor(staged: StagedTree, path: string, status: FileStatus) {
    this.#staged = staged;
    this.#path = path;
    this.#status = status;
  }

  get type(): FileType {
    return this.#status.type;
  }

  get isUndescribed(): boolean {
    return this.#staged.undescribed.has(this.#path);
  }

  get target(): string {
    return this.type === "symlink" ? this.#staged.tree.readLink(this.#path) : "";
  }

  get nlink(): number {
    return this.#status.nlink;
  }

  get offset(): number {
    return this.#staged.tree.placeOf(this.#path).offset;
  }

  status(): FileStatus {
    return this.#status;
  }

  xattrs(): ReadonlyMap<string, Uint8Array> {
    return this.#staged.tree.xattrsOf(this.#path);
  }

  names(): readonly string[] {
    const { ino, nlink } = this.#status;
    return nlink === 1 ? [this.#path] : this.#staged.namesOf(ino);
  }

  *children(): Generator<readonly [string, ListedEntry], void, void> {
    const { tree } = this.#staged;
    for (const name of tree.names(this.#path)) {
      const path = childPath(this.#path, name);
      const status = tree.status(path);
      if (status !== undefined) yield [name, new StagedEntry(this.#staged, path, status)];
    }
  }
}

const NOTHING: ReadonlySet<string> = new Set();

/** Returns an entry of a tree with all files of an image. */
export function treeEntry(tree: MemoryTree, path: string, status: FileStatus): ListedEntry {
  return new StagedEntry(new StagedTree(tree, NOTHING), path, status);
}

/** Returns the entries below a directory of a tree with all files of an image. */
export function* walkTree(tree: MemoryTree, directory: string): Generator<FoundEntry, void, void> {
  const status = tree.status(directory);
  if (status === undefined) return;
  const open = [{ directory, entries: entriesIn(treeEntry(tree, directory, status)) }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { done, value } = top.entries.next();
    if (done) {
      open.pop();
      continue;
    }
    const [name, entry] = value;
    const path = childPath(top.directory, name);
    yield { layer: 0, path, entry };
    if (entry.type === "directory") open.push({ directory: path, entries: entriesIn(entry) });
  }
}

function entriesIn(directory: ListedEntry): Iterator<readonly [string, ListedEntry]> {
  return directory.children()[Symbol.iterator]();
}
