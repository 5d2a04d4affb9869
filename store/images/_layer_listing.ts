import { parentPath } from "../../layer/trees/clean_path.ts";
import type { FileStatus } from "../../layer/trees/file_tree.ts";
import type { MemoryTree } from "../../layer/trees/memory_tree.ts";
import type { StagedLayer } from "../../layer/extraction/staged_layer.ts";

/** The entries of a single layer, and what they do to the layers below. Paths are clean. */
export interface LayerListing {
  /** Returns the metadata of an entry of the layer. */
  status(path: string): FileStatus | undefined;
  /** Returns the target of a symlink of the layer. */
  readLink(path: string): string;
  /** Returns the extended attributes of an entry of the layer, by name. */
  xattrsOf(path: string): ReadonlyMap<string, Uint8Array>;
  /** Returns the offset of a file's header in the archive of the layer. */
  offsetOf(path: string): number;
  /** Whether the layer hides what the layers below have at a path. */
  hides(path: string): boolean;
  /** Whether a directory of the layer has no entry, and so keeps the metadata of a lower one. */
  isUndescribed(path: string): boolean;
  /**
   * Directories that the layer uses without describing them first. Where one of them is a link in
   * the layers below, entries of the layer are at other paths.
   */
  readonly dependencies: readonly string[];
}

/** A layer that was extracted into a tree of its own. */
export class StagedListing implements LayerListing {
  readonly dependencies: readonly string[];
  readonly #tree: MemoryTree;
  readonly #undescribed: ReadonlySet<string>;
  /** Paths that lower layers lose, with everything below them. */
  readonly #hidden: ReadonlySet<string>;
  /** Directories whose content lower layers lose. */
  readonly #opaque: ReadonlySet<string>;

  /** Creates the listing from the result of `stageLayer()`. */
  constructor(
    tree: MemoryTree,
    { whiteouts, implied, undescribed, opaque }: Omit<StagedLayer, "report">,
  ) {
    this.#tree = tree;
    this.#undescribed = new Set(undescribed);
    this.#hidden = new Set([
      ...opaque,
      ...whiteouts.flatMap(({ directory, name }) => {
        return name === undefined ? [] : [directory === "" ? name : `${directory}/${name}`];
      }),
    ]);
    this.#opaque = new Set(whiteouts.flatMap(({ directory, name }) => {
      return name === undefined ? [directory] : [];
    }));
    const used = whiteouts.filter(({ isDescribed }) => !isDescribed);
    this.dependencies = [...new Set([...implied, ...used.map(({ directory }) => directory)])]
      .filter((path) => path !== "");
  }

  status(path: string): FileStatus | undefined {
    return this.#tree.status(path);
  }

  readLink(path: string): string {
    return this.#tree.readLink(path);
  }

  xattrsOf(path: string): ReadonlyMap<string, Uint8Array> {
    return this.#tree.xattrsOf(path);
  }

  offsetOf(path: string): number {
    return this.#tree.placeOf(path).offset;
  }

  hides(path: string): boolean {
    for (let at = path;;) {
      if (this.#hidden.has(at)) return true;
      if (at === "") return false;
      at = parentPath(at);
      if (this.#opaque.has(at)) return true;
      const type = this.#tree.status(at)?.type;
      if (type !== undefined && type !== "directory") return true;
    }
  }

  isUndescribed(path: string): boolean {
    return this.#undescribed.has(path);
  }
}
