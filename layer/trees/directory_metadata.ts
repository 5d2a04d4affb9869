import type { FileStatus, FileTree, TreeEntry } from "./file_tree.ts";
import { ACCESS_ACL, DEFAULT_ACL, SELINUX_XATTR } from "./host_xattrs.ts";

/**
 * Copies the metadata of a directory to another one whose content is complete: owner, mode, times
 * and exactly the same extended attributes.
 *
 * @param from The source directory.
 * @param to The target directory.
 * @param status Metadata of `from` before its content was moved.
 * @param isLocal Whether to neither copy nor remove an attribute; by default, `false` for all.
 */
export function copyDirectoryMetadata(
  from: Pick<TreeEntry, "listXattrs" | "getXattr">,
  to: TreeEntry,
  status: FileStatus,
  isLocal: (name: string) => boolean = () => false,
): void {
  const isShared = (name: string) => name !== SELINUX_XATTR && !isLocal(name);
  for (const name of to.listXattrs().filter(isShared)) to.removeXattr(name);
  for (const name of from.listXattrs().filter(isShared)) {
    const value = from.getXattr(name);
    if (value !== undefined) to.setXattr(name, value);
  }
  settleDirectory(to, status);
}

/** Sets the owner, mode and times of a directory whose content is complete. */
export function settleDirectory(
  directory: TreeEntry,
  { uid, gid, mode, mtime, mtimeNs }: FileStatus,
): void {
  directory.setOwner(uid, gid);
  directory.setMode(mode);
  directory.setTimes(mtime, mtimeNs);
}

/**
 * Grants the owner of a directory full access, so that an unprivileged owner can change it. The
 * caller restores the mode.
 *
 * @param status Metadata of the directory.
 * @returns Whether the mode has changed.
 */
export function openUpDirectory(tree: FileTree, path: string, { mode }: FileStatus): boolean {
  if ((mode & 0o700) === 0o700) return false;
  using directory = tree.open(path);
  directory.setMode(mode | 0o700);
  return true;
}

/**
 * Removes the access control lists that the new root of a tree has inherited from its parent. Files
 * in it would inherit them too, and then grant access that the image does not.
 */
export function dropInheritedAcls(tree: FileTree): void {
  using root = tree.open("");
  for (const name of root.listXattrs()) {
    if (name === ACCESS_ACL || name === DEFAULT_ACL) root.removeXattr(name);
  }
}
