import { parentPath } from "./clean_path.ts";
import { openUpDirectory } from "./directory_metadata.ts";
import type { FileStatus, FileTree } from "./file_tree.ts";

/**
 * Looks up entries and creates directories, even where the unprivileged owner of a directory has no
 * access to it. Grants the owner access until this is disposed of.
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
    return this.#inside(parentPath(path), () => this.#tree.status(path));
  }

  /** Creates a directory, which must not exist yet. */
  makeDirectory(path: string): void {
    this.#inside(parentPath(path), () => this.#tree.makeDirectory(path));
  }

  /** Returns the target of a symlink whose metadata was looked up. */
  readLink(path: string): string {
    return this.#tree.readLink(path);
  }

  /** Calls a function, which needs access to a directory. */
  #inside<T>(path: string, access: () => T): T {
    try {
      return access();
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      this.#open(path);
      return access();
    }
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
