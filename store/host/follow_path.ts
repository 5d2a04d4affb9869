import type { FileTree } from "../../layer/trees/file_tree.ts";

/** Links that are followed for one path, as the kernel limits them. */
const MAX_LINKS = 40;

/** Where a path leads. */
export interface FollowedPath {
  /** Where what is meant really is; `undefined` if there is nothing. */
  readonly real: string | undefined;
  /** The symbolic links on the way. */
  readonly passed: readonly string[];
}

/** Options for {@linkcode followPath}. */
export interface FollowPathOptions {
  /** Whether a link at the end is followed. */
  readonly followLast?: boolean | undefined;
  /** Is given what is missing, and may make it: whether it is there then. */
  readonly missing?: ((path: string) => boolean) | undefined;
}

/**
 * Follows a path in a tree as a program would whose root it is: links are resolved inside the
 * tree, and `..` stops there. The kernel's own resolution would lead out to the host.
 *
 * @param tree The tree.
 * @param path The path, from the root of the tree.
 * @param options What of the path is followed, and what is done with what is missing.
 */
export function followPath(
  tree: FileTree,
  path: string,
  options: FollowPathOptions = {},
): FollowedPath {
  const { followLast = false, missing = () => false } = options;
  const found: string[] = [];
  const passed: string[] = [];
  const parts = path.split("/").reverse();
  for (let name = parts.pop(); name !== undefined; name = parts.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      found.pop();
      continue;
    }
    const next = [...found, name].join("/");
    const type = tree.status(next)?.type;
    const isLast = parts.every((part) => part === "" || part === ".");
    if (type === "symlink" && (followLast || !isLast)) {
      if (passed.push(next) > MAX_LINKS) return { real: undefined, passed };
      const target = tree.readLink(next);
      if (target.startsWith("/")) found.length = 0;
      parts.push(...target.split("/").reverse());
      continue;
    }
    const isThere = type === undefined ? missing(next) : isLast || type === "directory";
    if (!isThere) return { real: undefined, passed };
    found.push(name);
  }
  return { real: found.join("/"), passed };
}
