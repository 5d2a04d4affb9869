import { openFileTree } from "../../layer/disk/open_tree.ts";
import { ExtractError } from "../../layer/errors.ts";
import type { ExtractHandler } from "../../layer/extraction/extractor.ts";
import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import type { MemoryTree } from "../../layer/memory/memory_tree.ts";
import { childPath, cleanPath, isBelow, parentPath } from "../../layer/trees/clean_path.ts";
import { removeEntry } from "../../layer/trees/remove_entry.ts";
import { UnpackError } from "../errors.ts";
import { followPath } from "../host/follow_path.ts";

/**
 * Creates a handler that skips all entries except those at or below the given paths, the parents of
 * these, and whiteouts.
 *
 * @param paths Clean paths.
 * @returns The handler. It throws an {@linkcode ExtractError} for an entry whose parent has no
 * entry in the layer, because the parent may be a symlink.
 */
export function selectPaths(paths: readonly string[]): ExtractHandler {
  const selected = new Set(paths);
  const parents = new Set(paths.flatMap(parentsOf));
  const directories = new Set([""]);
  return (header) => {
    const path = cleanPath(header.path);
    const isDirectory = header.type === "directory";
    if (!directories.has(parentPath(path)) || (!isDirectory && directories.has(path))) {
      throw new ExtractError(header, "its parent may be a symbolic link");
    }
    if (isDirectory) directories.add(path);
    const isKept = selected.has(path) || parents.has(path) ||
      parentsOf(path).some((parent) => selected.has(parent)) ||
      parseWhiteout(path).kind !== "none";
    return isKept ? header : undefined;
  };
}

/** Whether an entry is at one of some clean paths, or below it. */
export function isSelected(name: string, paths: readonly string[]): boolean {
  const path = cleanPath(name);
  return paths.some((other) => path === other || isBelow(path, other));
}

/** Returns the parents of a path, including the root. */
function parentsOf(path: string): string[] {
  if (path === "") return [];
  const parts = path.split("/");
  return parts.map((_, i) => parts.slice(0, i).join("/"));
}

/** Whether a directory contains all paths, none of them below a symlink or an inaccessible one. */
export function hasPaths(root: string, paths: readonly string[]): boolean {
  try {
    using tree = openFileTree(root);
    return paths.every((path) => {
      const parents = parentsOf(path).filter((parent) => parent !== "");
      return parents.every((parent) => tree.status(parent)?.type === "directory") &&
        tree.status(path) !== undefined;
    });
  } catch (error) {
    // The modes of an image's directories may deny access to a user other than root.
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/**
 * Removes everything from a tree except the given paths, everything below them, and the directories
 * and symlinks that lead to them.
 *
 * @throws {UnpackError} If one of the paths does not exist.
 */
export function retainPaths(tree: MemoryTree, paths: readonly string[]): void {
  const whole = new Set<string>();
  const kept = new Set<string>();
  for (const path of paths) {
    const { real, passed } = followPath(tree, path);
    if (real === undefined) {
      throw new UnpackError("the image does not contain it", path, {
        code: "missing-path",
        action: `unpack "${path}"`,
        advice: "Check the path",
      });
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
    const path = childPath(directory, name);
    if (whole.has(path)) continue;
    if (!kept.has(path)) removeEntry(tree, path);
    else if (tree.status(path)?.type === "directory") prune(tree, path, whole, kept);
  }
}
