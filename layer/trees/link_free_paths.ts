import { joinPaths, parentPath } from "./clean_path.ts";
import type { FileTree } from "./file_tree.ts";
import { OpenedDirectories } from "./opened_directories.ts";

type Kind = "directory" | "absent" | "other";

/**
 * Finds paths without symlinks, which are those whose existing components are all directories.
 * Grants the owner access to directories until this is disposed of.
 */
export class LinkFreePaths implements Disposable {
  readonly #directories: OpenedDirectories;
  readonly #root: string;
  readonly #known = new Map<string, Kind>([["", "directory"]]);

  /** Checks paths below `root`, which is `""` for the whole tree. */
  constructor(tree: FileTree, root: string) {
    this.#directories = new OpenedDirectories(tree);
    this.#root = root;
  }

  has(path: string): boolean {
    return this.#kind(path) !== "other";
  }

  #kind(path: string): Kind {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    let kind = this.#kind(parentPath(path));
    if (kind === "directory") {
      const type = this.#directories.status(joinPaths(this.#root, path))?.type;
      kind = type === undefined ? "absent" : type === "directory" ? "directory" : "other";
    }
    this.#known.set(path, kind);
    return kind;
  }

  [Symbol.dispose](): void {
    this.#directories[Symbol.dispose]();
  }
}
