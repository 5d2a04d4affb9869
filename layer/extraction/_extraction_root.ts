import { dirname, resolve } from "../../spec/paths.ts";
import { ExtractError } from "../errors.ts";
import type { FileTree } from "../trees/file_tree.ts";
import { openFileTree, type OpenFileTreeOptions } from "../trees/open_tree.ts";
import { emptyTree } from "../trees/remove_entry.ts";

/** The directory that layers are extracted into. */
export interface ExtractionRoot extends Disposable {
  readonly tree: FileTree;
  /** Removes the directory and its parents if they were created. */
  discard(): Promise<void>;
}

/** Opens a directory. Creates it and its parents if they are missing. */
export async function openExtractionRoot(
  root: string,
  options: OpenFileTreeOptions,
): Promise<ExtractionRoot> {
  const path = resolve(root);
  const made = await makeDirectories(path);
  const status = await Deno.stat(path);
  if (!status.isDirectory) {
    throw new ExtractError({ path: "", offset: 0 }, `"${root}" is not a directory`);
  }
  const tree = openFileTree(path, options);
  return {
    tree,
    async discard(): Promise<void> {
      if (made === undefined) return;
      // An unprivileged user may lack access to extracted directories, so Deno.remove would fail.
      emptyTree(tree);
      await Deno.remove(made, { recursive: true });
    },
    [Symbol.dispose]: () => tree[Symbol.dispose](),
  };
}

/** Creates a directory and its parents, and returns the outermost one that was missing. */
async function makeDirectories(path: string): Promise<string | undefined> {
  try {
    await Deno.mkdir(path);
    // Not with the call above, whose mode the umask restricts.
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
