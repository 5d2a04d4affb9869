import { withCode } from "../../spec/error_facts.ts";
import type { FileStatus, FileTree } from "./file_tree.ts";
import { SELINUX_XATTR } from "./host_xattrs.ts";

const BUFFER_BYTES = 262_144;

/** Copies an entry that is not a directory, with its metadata, to a free path. */
export function copyEntry(from: FileTree, source: string, to: FileTree, path: string): void {
  const status = from.status(source);
  if (status === undefined) {
    throw withCode(new Deno.errors.NotFound(`"${source}" no longer exists`), "ENOENT");
  }
  if (status.type === "file") return copyFile(from, source, status, to, path);
  if (status.type === "symlink") to.makeSymlink(path, from.readLink(source));
  else to.makeNode(path, status.type, status.devmajor, status.devminor);
  using copy = to.open(path);
  copy.setOwner(status.uid, status.gid);
  if (status.type !== "symlink") copy.setMode(status.mode);
  copy.setTimes(status.mtime, status.mtimeNs);
}

function copyFile(
  from: FileTree,
  source: string,
  status: FileStatus,
  to: FileTree,
  path: string,
): void {
  using original = from.open(source);
  const isUnreadable = (status.mode & 0o400) === 0;
  // Even its owner cannot read it; the mode is restored below.
  if (isUnreadable) original.setMode(status.mode | 0o400);
  try {
    using reader = from.openFile(source);
    using copy = to.createFile(path);
    if (copy === undefined) {
      throw withCode(new Deno.errors.AlreadyExists(`"${path}" already exists`), "EEXIST");
    }
    const buffer = new Uint8Array(BUFFER_BYTES);
    let size = 0;
    for (let length = reader.read(buffer); length > 0; length = reader.read(buffer)) {
      copy.write(buffer.subarray(0, length), size);
      size += length;
    }
    copy.setOwner(status.uid, status.gid);
    for (const name of original.listXattrs()) {
      const value = original.getXattr(name);
      if (value !== undefined && name !== SELINUX_XATTR) copy.setXattr(name, value);
    }
    copy.setMode(status.mode);
    copy.setTimes(status.mtime, status.mtimeNs);
  } finally {
    if (isUnreadable) original.setMode(status.mode);
  }
}
