import { type MountEntry, readMounts } from "../../layer/linux/mount_table.ts";
import { unmountTargets } from "../../layer/linux/native_mount.ts";
import { StoreError } from "../errors.ts";
import { findProgram } from "./find_program.ts";
import { removeTree } from "./remove_tree.ts";
import { runProgram } from "./run_program.ts";

/**
 * Unmounts file systems, the last one first. Falls back to fusermount for FUSE file systems, which
 * ordinary users can unmount only with that program.
 *
 * @param mounts The mounts, in the order of mounting.
 * @param onWarning Called for each mount that is still in use.
 * @throws {Deno.errors.PermissionDenied} If this user may not unmount one of them.
 */
export async function unmountAll(
  mounts: readonly MountEntry[],
  onWarning?: (message: string) => void,
): Promise<void> {
  const [first] = mounts;
  if (first === undefined) return;
  const targets = mounts.map(({ target }) => target);
  try {
    unmountTargets(targets, `Cannot unmount "${first.target}"`, onWarning);
  } catch (error) {
    if (!mounts.every(({ type }) => type.startsWith("fuse"))) throw error;
    const program = findProgram("fusermount3") ?? findProgram("fusermount");
    if (program === undefined) throw error;
    const left = new Set(readMounts().map(({ id }) => id));
    for (const { id, target } of mounts.toReversed()) {
      if (!left.has(id)) continue;
      // With -z, a busy file system is detached now and unmounted when it is no longer in use.
      const { success, stderr } = await runProgram(program, ["-u", "-z", "--", target]);
      if (!success) throw new Deno.errors.PermissionDenied(stderr, { cause: error });
    }
  }
}

/**
 * Removes a directory that this program created in a store, and the mounts that it made there.
 *
 * @param path Absolute path of the directory, without symlinks.
 * @param mountPoints Where this program mounts: paths in the directory, or the directory itself.
 * @throws {StoreError} If something else is mounted in the directory. Nothing is removed then.
 */
export async function discardTree(path: string, mountPoints: readonly string[]): Promise<void> {
  const isInside = ({ target }: MountEntry) => target === path || target.startsWith(`${path}/`);
  const isOwn = ({ target }: MountEntry) => mountPoints.includes(target);
  const mounts = readMounts().filter(isInside);
  const other = mounts.find((mount) => !isOwn(mount));
  if (other !== undefined) {
    throw new StoreError(`"${other.target}" is a mount point`, path, {
      code: "mounted",
      action: `remove "${path}"`,
      advice: "Unmount it and try again",
    });
  }
  await unmountAll(mounts);
  await removeTree(path);
}
