import type { StagedLayer } from "../../layer/extraction/staged_layer.ts";
import { childPath } from "../../layer/trees/clean_path.ts";
import type { FileStatus, FileType } from "../../layer/trees/file_tree.ts";
import type { MemoryTree } from "../../layer/memory/memory_tree.ts";
import type { LayerListing, ListedEntry } from "../entries/layer_listing.ts";
import type { FoundEntry } from "./_layer_stack.ts";

/** A layer that was extracted into a separate tree. */
export class StagedListing implements LayerListing {
  readonly dependencies: readonly string[];
  readonly hasMarks: boolean;
  readonly #tree: MemoryTree;
  readonly #undescribed: ReadonlySet<string>;
  readonly #removed: ReadonlySet<string>;
  readonly #opaque: ReadonlySet<string>;

  /** Creates the listing from the result of `stageLayer()`. */
  constructor(tree: MemoryTree, { report, whiteouts, opaque }: StagedLayer) {
    const { describesRoot, impliedDirectories, undescribedDirectories } = report;
    this.#tree = tree;
    this.#undescribed = new Set([...describesRoot ? [] : [""], ...undescribedDirectories]);
    // A directory that replaced another entry of the layer hides a lower one.
    this.#removed = new Set([
      ...opaque,
      ...whiteouts.flatMap(({ directory, name }) => {
        return name === undefined ? [] : [childPath(directory, name)];
      }),
    ]);
    this.#opaque = new Set(whiteouts.flatMap(({ directory, name }) => {
      return name === undefined ? [directory] : [];
    }));
    this.hasMarks = this.#removed.size + this.#opaque.size > 0;
    const used = whiteouts.filter(({ isDescribed }) => !isDescribed);
    this.dependencies = [
      ...new Set([...impliedDirectories, ...used.map(({ directory }) => directory)]),
    ].filter((path) => path !== "");
  }

  at(path: string): ListedEntry | undefined {
    const status = this.#tree.status(path);
    return status && new StagedEntry(this.#tree, this.#undescribed, path, status);
  }

  removes(path: string): boolean {
    return this.#removed.has(path);
  }

  isOpaque(directory: string): boolean {
    return this.#opaque.has(directory);
  }
}

/** An entry of a tree in memory. */
class StagedEntry implements ListedEntry {
  readonly #tree: MemoryTree;
  readonly #undescribed: ReadonlySet<string>;
  readonly #path: string;
  readonly #status: FileStatus;

  constructor(
    tree: MemoryTree,
    undescribed: ReadonlySet<string>,
    path: string,
    status: FileStatus,
  ) {
    this.#tree = tree;
    this.#undescribed = undescribed;
    this.#path = path;
    this.#status = status;
  }

  get type(): FileType {
    return this.#status.type;
  }

  get isUndescribed(): boolean {
    return this.#undescribed.has(this.#path);
  }

  get target(): string {
    return this.type === "symlink" ? this.#tree.readLink(this.#path) : "";
  }

  get nlink(): number {
    return this.#status.nlink;
  }

  get offset(): number {
    return this.#tree.placeOf(this.#path).offset;
  }

  status(): FileStatus {
    return this.#status;
  }

  xattrs(): ReadonlyMap<string, Uint8Array> {
    return this.#tree.xattrsOf(this.#path);
  }

  names(): readonly string[] {
    const names: string[] = [];
    for (const { path } of this.#tree.contents()) {
      if (this.#tree.status(path)?.ino === this.#status.ino) names.push(path);
    }
    return names;
  }

  *children(): Generator<readonly [string, ListedEntry], void, void> {
    for (const name of this.#tree.names(this.#path)) {
      const path = childPath(this.#path, name);
      const status = this.#tree.status(path);
      if (status === undefined) continue;
      yield [name, new StagedEntry(this.#tree, this.#undescribed, path, status)];
    }
  }
}

const NOTHING: ReadonlySet<string> = new Set();

/** Returns an entry of a tree with all files of an image. */
export function treeEntry(tree: MemoryTree, path: string, status: FileStatus): ListedEntry {
  return new StagedEntry(tree, NOTHING, path, status);
}

/** Returns the entries below a directory of a tree with all files of an image. */
export function* walkTree(tree: MemoryTree, directory: string): Generator<FoundEntry, void, void> {
  const entriesOf = (path: string) => {
    const status = tree.status(path);
    return status === undefined ? [] : treeEntry(tree, path, status).children();
  };
  const open = [{ directory, entries: entriesOf(directory)[Symbol.iterator]() }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { done, value } = top.entries.next();
    if (done) {
      open.pop();
      continue;
    }
    const [name, entry] = value;
    const path = childPath(top.directory, name);
    yield { layer: 0, path, entry };
    if (entry.type === "directory") {
      open.push({ directory: path, entries: entriesOf(path)[Symbol.iterator]() });
    }
  }
}
