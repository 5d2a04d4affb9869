import type { ExtractHandler } from "../../layer/extraction/extractor.ts";
import { childPath, cleanPath } from "../../layer/trees/clean_path.ts";
import type { MemoryTree } from "../../layer/trees/memory_tree.ts";

/**
 * Removes the files of a tree whose paths have no more than `count` components. Other names of a
 * file stay. Directories stay as well, since their content may have more components.
 */
export function removeShallow(tree: MemoryTree, count: number, directory: string = ""): void {
  if (count === 0) return;
  for (const name of tree.list(directory)) {
    const path = childPath(directory, name);
    if (tree.status(path)?.type === "directory") removeShallow(tree, count - 1, path);
    else tree.unlink(path);
  }
}

/**
 * Creates a handler that removes leading components from the paths of entries and the targets of
 * hard links, like `tar --strip-components`. Skips entries with no components left. The targets of
 * symlinks stay.
 *
 * @returns The handler; `undefined` if `count` is 0.
 */
export function stripComponents(count: number): ExtractHandler | undefined {
  if (count === 0) return undefined;
  const strip = (path: string) => cleanPath(path).split("/").slice(count).join("/");
  return (header) => {
    const path = strip(header.path);
    if (path === "") return undefined;
    if (header.type !== "hardlink") return { ...header, path };
    const linkname = strip(header.linkname);
    // Two names of a file may differ only in the removed components.
    return path === linkname ? undefined : { ...header, path, linkname };
  };
}
