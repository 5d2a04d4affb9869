import type { FileStatus, FileTree, TreeEntry } from "./file_tree.ts";
import { SELINUX_XATTR } from "./host_xattrs.ts";

/**
 * Gives a directory, in which nothing will be made any more, the metadata of another one: owner,
 * mode, times, and its extended attributes and no others.
 *
 * @param from The directory that has it.
 * @param to The directory that is to have it.
 * @param status What `from` was like when its content was still there.
 * @param isLocal Tells attributes that are not given and not taken: none, by default.
 *
 * @example A directory like another one
 * ```ts
 * import { copyDirectoryMetadata, openFileTree } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const work = await Deno.makeTempDir();
 * using tree = openFileTree(work);
 * for (const name of ["a", "b"]) tree.makeDirectory(name);
 * await Deno.chmod(`${work}/a`, 0o750);
 * const status = tree.status("a");
 * {
 *   using from = tree.open("a");
 *   using to = tree.open("b");
 *   if (status !== undefined) copyDirectoryMetadata(from, to, status);
 * }
 *
 * assertEquals(tree.status("b")?.mode, 0o750);
 * await Deno.remove(work, { recursive: true });
 * ```
 */
export function copyDirectoryMetadata(
  from: TreeEntry,
  to: TreeEntry,
  status: FileStatus,
  isLocal: (name: string) => boolean = () => false,
): void {
  const concerns = (name: string) => name !== SELINUX_XATTR && !isLocal(name);
  for (const name of to.listXattrs().filter(concerns)) to.removeXattr(name);
  for (const name of from.listXattrs().filter(concerns)) {
    const value = from.getXattr(name);
    if (value !== undefined) to.setXattr(name, value);
  }
  settleDirectory(to, status);
}

/** Gives a directory, in which nothing will be made any more, its owner, mode and times. */
export function settleDirectory(
  directory: TreeEntry,
  { uid, gid, mode, mtime, mtimeNs }: FileStatus,
): void {
  directory.setOwner(uid, gid);
  directory.setMode(mode);
  directory.setTimes(mtime, mtimeNs);
}

/**
 * Makes sure that an ordinary user who owns a directory can use it, until its mode is set again.
 *
 * @param tree The tree that it is in.
 * @param path Where.
 * @param status What it is like.
 * @returns Whether its mode is another one now.
 */
export function openUpDirectory(tree: FileTree, path: string, { mode }: FileStatus): boolean {
  if ((mode & 0o700) === 0o700) return false;
  using directory = tree.open(path);
  directory.setMode(mode | 0o700);
  return true;
}
