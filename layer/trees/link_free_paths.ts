import { parentPath } from "./clean_path.ts";
import type { FileType } from "./file_tree.ts";

/**
 * Returns a function that tells whether a path is free of symlinks: whether all of its components
 * that exist are directories. Looks up each path at most once.
 *
 * @param typeOf Returns the type of an entry whose parent is a directory; `undefined` if there is
 * none.
 */
export function linkFreePaths(
  typeOf: (path: string) => FileType | undefined,
): (path: string) => boolean {
  const types = new Map<string, FileType | undefined>([["", "directory"]]);
  const find = (path: string): FileType | undefined => {
    if (types.has(path)) return types.get(path);
    const parent = find(parentPath(path));
    const type = parent === "directory" ? typeOf(path) : parent;
    types.set(path, type);
    return type;
  };
  return (path) => (find(path) ?? "directory") === "directory";
}
