import { openUpDirectory } from "./directory_metadata.ts";
import { parentPath } from "./clean_path.ts";
import type { FileStatus, FileTree } from "./file_tree.ts";

type Kind = "directory" | "absent" | "other";

/**
 * Finds paths without symlinks: each existing component must be a directory. Grants the owner access
 * to directories until this is disposed of.
 */
export class LinkFreePaths implements Disposable {
  readonly #tree: FileTree;
  readonly #root: string;
  readonly #known = new Map<string, Kind>([["", "directory"]]);
  readonly #opened: { readonly path: string; readonly mode: number }[] = [];

  /** Checks paths below `root`, which is `""` for the whole tree. */
  constructor(tree: FileTree, root: string) {
    this.#tree = tree;
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
      const type = this.#look(path)?.type;
      kind = type === undefined ? "absent" : type === "directory" ? "directory" : "other";
    }
    this.#known.set(path, kind);
    return kind;
  }

  #look(path: string): FileStatus | undefined {
    try {
      return this.#tree.status(this.#at(path));
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      this.#openUp(this.#at(parentPath(path)));
      return this.#tree.status(this.#at(path));
    }
  }

  #at(path: string): string {
    if (this.#root === "" || path === "") return this.#root || path;
    return `${this.#root}/${path}`;
  }

  #openUp(path: string): void {
    const status = this.#tree.status(path);
    if (status === undefined) return;
    openUpDirectory(this.#tree, path, status);
    this.#opened.push({ path, mode: status.mode });
  }

  [Symbol.dispose](): void {
    for (const { path, mode } of this.#opened.reverse()) {
      using directory = this.#tree.open(path);
      directory.setMode(mode);
    }
  }
}
