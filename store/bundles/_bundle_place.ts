import { openFileTree } from "../../layer/disk/open_tree.ts";
import { mountsBelow } from "../../layer/linux/mount_table.ts";
import type { FileTree } from "../../layer/trees/file_tree.ts";
import { dirname } from "../../spec/paths.ts";
import { ifAny, ifPermitted, lstatIfAny } from "../host/files.ts";
import { readMark } from "./_bundle_mark.ts";
import { type BundleRecord, mountSource } from "./bundle_record.ts";

/**
 * Location of a bundle: `"here"`, in the directory in its record; `"gone"`, if the directory was
 * removed or replaced; or `"elsewhere"`, if it was moved or its file system is not mounted.
 */
export type BundlePlace = "here" | "gone" | "elsewhere";

/**
 * Finds out whether the directory that a record names is still the bundle. Its path and inode must
 * match the record, and it must have the bundle's mark or a mount that only this bundle can have: a
 * moved bundle has another path, a copy has another inode, and a directory from an archive has no
 * mark that the store knows. Device numbers are not compared, since a reboot may change them.
 */
export function findPlace(record: BundleRecord): BundlePlace {
  const { path, parentInode } = record;
  if (isHere(record)) return "here";
  const parent = lstatIfAny(dirname(path));
  return parent?.isDirectory && parent.ino === parentInode ? "gone" : "elsewhere";
}

function isHere(record: BundleRecord): boolean {
  const { id, path, inode } = record;
  using tree = openDirectoryIfAny(path);
  if (tree === undefined) return false;
  // The status of the opened directory, even if the path leads elsewhere by now.
  const opened = tree.status("");
  // A directory that is only claimed has a mark, but the record does not know its inode yet.
  if (inode !== null && opened?.ino !== inode) return false;
  return readMark(tree) === id || (inode !== null && hasMarkedMount(record));
}

/**
 * Opens a directory as a tree; `undefined` if there is none, even if another process removes it
 * while it is opened.
 *
 * @param path Path of the directory; a symlink is not followed.
 */
export function openDirectoryIfAny(path: string): FileTree | undefined {
  return lstatIfAny(path)?.isDirectory ? ifAny(() => openFileTree(path)) : undefined;
}

/** Whether a bundle's directory has a mount that only the bundle can have. */
function hasMarkedMount({ id, path, mounts }: BundleRecord): boolean {
  if (mounts.length === 0) return false;
  const below = ifPermitted(() => mountsBelow(path)) ?? [];
  return below.some(({ source }) => source === mountSource(id));
}
