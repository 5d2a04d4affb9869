import { SELINUX_XATTR } from "./_machine_xattrs.ts";
import type { FileStatus, TreeEntry } from "./file_tree.ts";

/**
 * Gives a directory the extended attributes of another one, and no others.
 *
 * @param from The directory that has them.
 * @param to The directory that is to have them.
 * @param isLocal Tells the attributes of `to` that stay as they are.
 */
export function copyAttributes(
  from: TreeEntry,
  to: TreeEntry,
  isLocal: (name: string) => boolean = () => false,
): void {
  const concerns = (name: string) => name !== SELINUX_XATTR && !isLocal(name);
  for (const name of to.listXattrs().filter(concerns)) to.removeXattr(name);
  for (const name of from.listXattrs().filter(concerns)) {
    const value = from.getXattr(name);
    if (value !== undefined) to.setXattr(name, value);
  }
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
