import type { FileTree } from "../../layer/trees/file_tree.ts";
import { walkPath } from "../../layer/trees/walk_path.ts";

export interface FollowedPath {
  /** Real path of the entry; `undefined` if it does not exist. */
  readonly real: string | undefined;
  /** Symlinks along the path. */
  readonly passed: readonly string[];
}

export interface FollowPathOptions {
  /** Whether to follow a symlink at the end. */
  readonly followLast?: boolean | undefined;
  /** Called with each missing path, which it may create. Returns whether the path exists now. */
  readonly missing?: ((path: string) => boolean) | undefined;
}

/**
 * Resolves a path like a program whose root directory is the tree: symlinks stay inside the tree,
 * and `..` stops at its root. The kernel's own resolution could leave the tree.
 *
 * @param path The path, from the root of the tree.
 */
export function followPath(
  tree: Pick<FileTree, "status" | "readLink">,
  path: string,
  options: FollowPathOptions = {},
): FollowedPath {
  const { followLast = false, missing = () => false } = options;
  const passed: string[] = [];
  const enter = (
    names: readonly string[],
    name: string,
    _byLink: boolean,
    rest: readonly string[],
  ) => {
    const inner = [...names, name];
    const at = inner.join("/");
    const type = tree.status(at)?.type;
    const isLast = rest.every((part) => part === "" || part === ".");
    if (type === "symlink" && (followLast || !isLast)) {
      passed.push(at);
      return tree.readLink(at);
    }
    const exists = type === undefined ? missing(at) : isLast || type === "directory";
    return exists ? inner : undefined;
  };
  try {
    const parent = (names: readonly string[]) => names.slice(0, -1);
    const real = walkPath<readonly string[]>(path, [], { parent, enter });
    return { real: real?.join("/"), passed };
  } catch (error) {
    if (!(error instanceof Deno.errors.FilesystemLoop)) throw error;
    return { real: undefined, passed };
  }
}
