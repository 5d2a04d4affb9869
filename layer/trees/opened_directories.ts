import { parentPath } from "./clean_path.ts";
import { openUpDirectory } from "./directory_metadata.ts";
import type { FileStatus, FileTree } from "./file_tree.ts";

/**
 * Looks up entries, also in directories that their unprivileged owner has no access to. Grants the
 * owner access until this is disposed of.
 */
export class OpenedDirectories implements Disposable {
  readonly #tree: FileTree;
  readonly #opened: { readonly path: string; readonly mode: number }[] = [];

  /** Looks up entries of a tree. */
  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** Returns the metadata of an entry; `undefined` if there is none. */
  status(path: string): FileStatus | undefined {
    try {
      return this.#tree.status(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      this.#open(parentPath(path));
      return this.#tree.status(path);
    }
  }

  /** Returns the target of a symlink whose metadata was looked up. */
  readLink(path: string): string {
    return this.#tree.readLink(path);
  }

  #open(path: string): void {
    const status = this.#tree.status(path);
    if (status === undefined || !openUpDirectory(this.#tree, path, status)) return;
    this.#opened.push({ path, mode: status.mode });
  }

  /** Restores the modes. */
  [Symbol.dispose](): void {
    for (const { path, mode } of this.#opened.reverse()) {
      using directory = this.#tree.open(path);
      directory.setMode(mode);
    }
  }
}
