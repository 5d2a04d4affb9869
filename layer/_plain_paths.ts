import { parentPath } from "./extract_path.ts";
import type { FileTree } from "./file_tree.ts";

/** Tells paths that are real directories as far as they exist. */
export class PlainPaths {
  readonly #tree: FileTree;
  readonly #root: string;
  readonly #known = new Map<string, "directory" | "absent" | "other">([["", "directory"]]);

  /** Of what is in a directory of a tree, or in all of it if `root` is `""`. */
  constructor(tree: FileTree, root: string) {
    this.#tree = tree;
    this.#root = root;
  }

  has(path: string): boolean {
    return this.#kind(path) !== "other";
  }

  #kind(path: string): "directory" | "absent" | "other" {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    let kind = this.#kind(parentPath(path));
    if (kind === "directory") {
      const type = this.#tree.status(this.#root === "" ? path : `${this.#root}/${path}`)?.type;
      kind = type === undefined ? "absent" : type === "directory" ? "directory" : "other";
    }
    this.#known.set(path, kind);
    return kind;
  }
}
