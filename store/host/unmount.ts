import { type MountEntry, readMounts } from "../../layer/linux/mount_table.ts";
import { unmountTree } from "../../layer/linux/unmount.ts";
import { findProgram } from "./find_runtime.ts";

/**
 * Unmounts all that is mounted at a directory and below it. What an ordinary user has mounted
 * through FUSE, a program that is root unmounts for it.
 *
 * @throws {Deno.errors.PermissionDenied} If something stays mounted that is not this user's.
 */
export async function unmountAll(
  directory: string,
  onWarning?: (message: string) => void,
): Promise<void> {
  try {
    unmountTree(directory, onWarning && { onWarning });
  } catch (error) {
    const mounts = mountsIn(directory);
    if (mounts.length === 0 || !mounts.every(({ type }) => type.startsWith("fuse"))) throw error;
    const program = await findProgram("fusermount3") ?? await findProgram("fusermount");
    if (program === undefined) throw error;
    for (const { target } of mounts.toReversed()) await fuseUnmount(program, target, error);
  }
}

/** What is mounted in a directory, itself included, in the order of mounting. */
export function mountsIn(directory: string): readonly MountEntry[] {
  return readMounts().filter(({ target }) =>
    target === directory || target.startsWith(`${directory}/`)
  );
}

async function fuseUnmount(program: string, target: string, cause: unknown): Promise<void> {
  // Lazily: what is still in use goes with its last user.
  const { success, stderr } = await new Deno.Command(program, {
    args: ["-u", "-z", "--", target],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return;
  throw new Deno.errors.PermissionDenied(new TextDecoder().decode(stderr).trim(), { cause });
}
