import { dirname, resolve } from "../../spec/paths.ts";
import { ExtractError } from "../errors.ts";
import type { FileTree } from "../trees/file_tree.ts";
import { openFileTree, type OpenFileTreeOptions } from "../trees/open_tree.ts";
import { emptyTree } from "../trees/remove_entry.ts";

/** The directory that layers are extracted into, made if it is not there. */
export interface ExtractionRoot extends Disposable {
  readonly tree: FileTree;
  /** Removes what was made, if the directory was. */
  discard(): Promise<void>;
}

/** Opens a directory, or makes it and its parents. */
export async function openExtractionRoot(
  root: string,
  options: OpenFileTreeOptions,
): Promise<ExtractionRoot> {
  const path = resolve(root);
  const made = await makeDirectories(path);
  const status = await Deno.stat(path);
  if (!status.isDirectory) {
    throw new ExtractError({ path: "", offset: 0 }, `"${root}" must be a directory: it is a file`);
  }
  const tree = openFileTree(path, options);
  return {
    tree,
    async discard(): Promise<void> {
      if (made === undefined) return;
      // Not by Deno.remove alone: an ordinary user may not look into all that was extracted.
      emptyTree(tree);
      await Deno.remove(made, { recursive: true });
    },
    [Symbol.dispose]: () => tree[Symbol.dispose](),
  };
}

/** Makes a directory and its parents: the outermost of those that were not there. */
async function makeDirectories(path: string): Promise<string | undefined> {
  try {
    await Deno.mkdir(path);
    // Not by the call above, whose mode the umask narrows.
    if (Deno.build.os !== "windows") await Deno.chmod(path, 0o755);
    return path;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const outermost = await makeDirectories(dirname(path));
  await makeDirectories(path);
  return outermost ?? path;
}
