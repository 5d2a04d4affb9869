import { ExtractError } from "../../layer/errors.ts";
import { cleanPath, parentPath } from "../../layer/trees/clean_path.ts";
import type { ExtractHandler } from "../../layer/extraction/extractor.ts";
import type { MemoryTree } from "../../layer/trees/memory_tree.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import { removeEntry } from "../../layer/trees/remove_entry.ts";
import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import { followPath } from "../host/follow_path.ts";
import { UnpackError } from "../errors.ts";

/**
 * Leaves out all entries of a layer but those of the given paths, what is below them, and the
 * directories that they are in. Whiteouts stay: what they hide may be selected.
 *
 * @param paths Clean paths.
 * @returns What throws an {@linkcode ExtractError} at an entry that need not be where its name
 * says: the layer does not say what it is in, which may be a link.
 */
export function selectPaths(paths: readonly string[]): ExtractHandler {
  const selected = new Set(paths);
  const parents = new Set(paths.flatMap(parentsOf));
  const directories = new Set([""]);
  return (header) => {
    const { path } = cleanPath(header.path);
    const isDirectory = header.type === "directory";
    if (!directories.has(parentPath(path)) || (!isDirectory && directories.has(path))) {
      throw new ExtractError(header, "it may be elsewhere");
    }
    if (isDirectory) directories.add(path);
    const isKept = selected.has(path) || parents.has(path) ||
      parentsOf(path).some((parent) => selected.has(parent)) ||
      parseWhiteout(path).kind !== "none";
    return isKept ? header : undefined;
  };
}

/** The directories that a path is in, the root included. */
function parentsOf(path: string): string[] {
  if (path === "") return [];
  const parts = path.split("/");
  return parts.map((_, i) => parts.slice(0, i).join("/"));
}

/** Whether it can be seen that a directory has all of the paths. */
export function hasPaths(root: string, paths: readonly string[]): boolean {
  try {
    using tree = openFileTree(root);
    return paths.every((path) => {
      const parents = parentsOf(path).filter((parent) => parent !== "");
      return parents.every((parent) => tree.status(parent)?.type === "directory") &&
        tree.status(path) !== undefined;
    });
  } catch (error) {
    // An ordinary user may not look into a directory of theirs that an image closes.
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/**
 * Removes from a tree all but the given paths, what is below them, and what leads to them:
 * directories, and the links among them.
 *
 * @throws {UnpackError} If one of the paths is not there.
 */
export function retainPaths(tree: MemoryTree, paths: readonly string[]): void {
  const whole = new Set<string>();
  const kept = new Set<string>();
  for (const path of paths) {
    const { real, passed } = followPath(tree, path);
    if (real === undefined) {
      throw new UnpackError(`Cannot unpack "${path}": the image has nothing there`, path);
    }
    whole.add(real);
    for (const place of [real, ...passed]) {
      kept.add(place);
      for (const parent of parentsOf(place)) kept.add(parent);
    }
  }
  if (!whole.has("")) prune(tree, "", whole, kept);
}

function prune(
  tree: MemoryTree,
  directory: string,
  whole: ReadonlySet<string>,
  kept: ReadonlySet<string>,
): void {
  for (const name of tree.list(directory)) {
    const path = directory === "" ? name : `${directory}/${name}`;
    if (whole.has(path)) continue;
    if (!kept.has(path)) removeEntry(tree, path);
    else if (tree.status(path)?.type === "directory") prune(tree, path, whole, kept);
  }
}
