import { dirname, resolve } from "../../spec/paths.ts";
import { openFileTree, type OpenFileTreeOptions } from "../disk/open_tree.ts";
import { ExtractError } from "../errors.ts";
import { dropInheritedAcls } from "../trees/directory_metadata.ts";
import type { FileTree } from "../trees/file_tree.ts";
import { emptyTree } from "../trees/remove_entry.ts";
import { type Ownership, setImpliedOwner } from "./ownership.ts";

/**
 * Extracts into a directory. Creates it and its parents if they are missing, and removes what it
 * created if the extraction fails.
 */
export async function extractInto<T>(
  root: string,
  options: OpenFileTreeOptions & { readonly ownership?: Ownership | undefined },
  extract: (tree: FileTree) => Promise<T>,
): Promise<T> {
  const path = resolve(root);
  const made = await makeRoot(path);
  let tree: FileTree | undefined;
  try {
    if (!(await Deno.stat(path)).isDirectory) {
      throw new ExtractError({ path: "", offset: 0 }, `"${root}" is not a directory`);
    }
    tree = openFileTree(path, options);
    if (made !== undefined) dropInheritedAcls(tree);
    if (made !== undefined && typeof options.ownership === "object") {
      using entry = tree.open("");
      setImpliedOwner(entry, "", options.ownership);
    }
    return await extract(tree);
  } catch (error) {
    if (made !== undefined) {
      await remove(made, tree).catch(() => {
        // The original error matters more.
      });
    }
    throw error;
  } finally {
    tree?.[Symbol.dispose]();
  }
}

/** Removes a directory that contains the root of a tree. */
async function remove(directory: string, tree: FileTree | undefined): Promise<void> {
  // An unprivileged user may lack access to extracted directories, so Deno.remove would fail.
  if (tree !== undefined) emptyTree(tree);
  await Deno.remove(directory, { recursive: true });
}

/** Creates the root and its parents, and returns the outermost one that was missing. */
async function makeRoot(path: string): Promise<string | undefined> {
  try {
    await Deno.mkdir(path);
    // The umask would restrict the mode of `mkdir`.
    if (Deno.build.os !== "windows") await Deno.chmod(path, 0o755);
    return path;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const outermost = await makeRoot(dirname(path));
  await makeRoot(path);
  return outermost ?? path;
}
