import { readMounts } from "../../layer/linux/mount_table.ts";
import { unmountTargets } from "../../layer/linux/native_mount.ts";

/** Options for {@linkcode unmountTree}. */
export interface UnmountOptions {
  /** Called for each busy mount, which is detached and disappears with its last user. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Unmounts everything at and below a directory, the last mount first. Busy mounts are detached:
 * they disappear from the directory at once, and from the system with their last user.
 *
 * @param directory Absolute path of the directory, without symlinks.
 * @param options Callbacks.
 * @throws {Deno.errors.PermissionDenied} If the process may not unmount.
 * @throws {Deno.errors.NotSupported} If there is a mount but the native backend is not available.
 */
export function unmountTree(directory: string, options: UnmountOptions = {}): void {
  unmountTargets(mountsIn(directory), `Cannot unmount "${directory}"`, options.onWarning);
}

/** Returns the mount points at and below a directory, in the order of the mounts. */
function mountsIn(directory: string): readonly string[] {
  const inside = directory === "/" ? "/" : `${directory}/`;
  return readMounts()
    .filter(({ target }) => target === directory || target.startsWith(inside))
    .map(({ target }) => target);
}
