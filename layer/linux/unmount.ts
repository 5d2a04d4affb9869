import { readMounts } from "./mount_table.ts";
import { unmountTargets } from "./unmount_targets.ts";

/** Options for {@linkcode unmountTree}. */
export interface UnmountOptions {
  /** Is told of what was still in use and goes when its last user does. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Unmounts all that is mounted at a directory and below it, the last first. What is busy is
 * detached: it is gone from the directory at once, and from the machine when nobody uses it.
 *
 * @param directory The directory, as an absolute path without links; nothing need be mounted.
 * @param options Whom to tell.
 * @throws {Deno.errors.PermissionDenied} If this process may not unmount.
 * @throws {Deno.errors.NotSupported} If something is mounted but there is no native backend.
 *
 * @example Nothing is mounted in a new directory
 * ```ts
 * import { readMounts, unmountTree } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.realPath(await Deno.makeTempDir());
 * unmountTree(directory);
 *
 * assertEquals(readMounts().filter(({ target }) => target.startsWith(directory)), []);
 * await Deno.remove(directory);
 * ```
 */
export function unmountTree(directory: string, options: UnmountOptions = {}): void {
  unmountTargets(mountsIn(directory), `Cannot unmount "${directory}"`, options.onWarning);
}

/** Where something is mounted in a directory, itself included, in the order of mounting. */
function mountsIn(directory: string): readonly string[] {
  const inside = directory === "/" ? "/" : `${directory}/`;
  return readMounts()
    .filter(({ target }) => target === directory || target.startsWith(inside))
    .map(({ target }) => target);
}
