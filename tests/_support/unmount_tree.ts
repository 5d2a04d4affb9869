import { readMounts } from "../../layer/linux/mount_table.ts";
import { unmountTargets } from "../../layer/linux/native_mount.ts";

/**
 * Unmounts everything at and below a directory, the last mount first. Busy mounts are detached:
 * they disappear from the directory at once, and from the system with their last user.
 *
 * @param directory Absolute path of the directory, without symlinks.
 * @param onWarning Called if mounts were detached.
 * @throws {Deno.errors.PermissionDenied} If the process may not unmount.
 * @throws {Deno.errors.NotSupported} If there is a mount but the native backend is not available.
 */
export function unmountTree(directory: string, onWarning?: (message: string) => void): void {
  const targets = readMounts().map(({ target }) => target)
    .filter((target) => target === directory || target.startsWith(`${directory}/`));
  unmountTargets(targets, `Cannot unmount "${directory}"`, onWarning);
}
