import { openUpDirectory } from "../../layer/trees/directory_metadata.ts";
import type { FileTree } from "../../layer/trees/file_tree.ts";
import { WorkTurn } from "../../layer/trees/work_turn.ts";
import { withCode } from "../../spec/error_facts.ts";

/**
 * Length of a path above which its directory is moved to the top. A container may nest directories
 * more deeply than the kernel's limit for paths, 4096 bytes, allows.
 */
const MAX_PATH_LENGTH = 1024;

/**
 * Removes everything in a directory except one name. Follows no symlinks. Stays in the open
 * directory even if its path changes, and on its file system as far as the tree's backend can tell.
 *
 * @param kept The name to keep.
 * @throws {Deno.errors.Busy} If something is mounted in the directory.
 */
export async function emptyDirectory(tree: FileTree, kept: string): Promise<void> {
  const remover = new Remover(tree);
  for (const { name, isDirectory } of tree.entries("")) {
    if (name !== kept) await remover.remove(name, isDirectory);
  }
  await remover.removeMoved();
}

class Remover {
  readonly #tree: FileTree;
  readonly #device: number | undefined;
  /** Directories that were moved to the top, where their paths are short. */
  readonly #moved: string[] = [];
  readonly #turn = new WorkTurn();

  constructor(tree: FileTree) {
    this.#tree = tree;
    this.#device = tree.status("")?.dev;
  }

  async remove(path: string, isDirectory: boolean): Promise<void> {
    if (this.#turn.isOver()) await this.#turn.next();
    const tree = this.#tree;
    if (!isDirectory) return tree.unlink(path);
    const status = tree.status(path);
    if (status === undefined) return;
    if (status.dev !== this.#device) {
      throw withCode(new Deno.errors.Busy(`"${path}" is a mount point`), "EBUSY");
    }
    openUpDirectory(tree, path, status);
    if (path.length > MAX_PATH_LENGTH) {
      const name = `removed-${crypto.randomUUID()}`;
      tree.rename(path, name);
      this.#moved.push(name);
      return;
    }
    for (const entry of tree.entries(path)) {
      await this.remove(`${path}/${entry.name}`, entry.isDirectory);
    }
    tree.removeDirectory(path);
  }

  async removeMoved(): Promise<void> {
    for (let name = this.#moved.pop(); name !== undefined; name = this.#moved.pop()) {
      await this.remove(name, true);
    }
  }
}
