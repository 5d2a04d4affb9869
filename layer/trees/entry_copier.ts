import { withCode } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { MAX_DECOMPRESSED_BYTES } from "../compression/decompressor.ts";
import { withDefaults } from "../tar/tar_limits.ts";
import type { FileStatus, FileTree } from "./file_tree.ts";
import { HoleWriter } from "./hole_writer.ts";
import { SELINUX_XATTR } from "./host_xattrs.ts";

/** Error codes for a hard link that the file system does not support. */
export const NO_LINK: ReadonlySet<string> = new Set([
  "EPERM",
  "EXDEV",
  "EMLINK",
  "EOPNOTSUPP",
  "ENOSYS",
]);
const BUFFER_BYTES = 262_144;
/** Maximum number of entries of all copies together: the default for a layer. */
const MAX_ENTRIES = withDefaults({}).maxEntries;

/**
 * Copies entries. A small archive can have large files with holes, and any number of hard links to
 * them, so the files of all copies together may have as many bytes as an image. An image can have
 * any number of volumes that contain each other, so the copies may have as many entries as a layer.
 */
export class EntryCopier {
  #bytes = 0;
  #entries = 0;

  /**
   * Copies an entry that is not a directory, with its metadata, to a free path. Long runs of zeros
   * become holes.
   *
   * @throws {LimitError} If the entries that were copied so far and this one exceed a limit.
   */
  copy(from: FileTree, source: string, to: FileTree, path: string): void {
    const status = from.status(source);
    if (status === undefined) {
      throw withCode(new Deno.errors.NotFound(`"${source}" no longer exists`), "ENOENT");
    }
    this.count(source, status.type === "file" ? status.size : 0);
    if (status.type === "file") {
      return copyFile(from, source, status, to, path);
    }
    if (status.type === "symlink") to.makeSymlink(path, from.readLink(source));
    else to.makeNode(path, status.type, status.devmajor, status.devminor);
    using copy = to.open(path);
    copy.setOwner(status.uid, status.gid);
    if (status.type !== "symlink") copy.setMode(status.mode);
    copy.setTimes(status.mtime, status.mtimeNs);
  }

  /**
   * Counts an entry, such as a directory that the caller makes.
   *
   * @throws {LimitError} If the entries so far and this one exceed a limit.
   */
  count(source: string, size = 0): void {
    check("entries in copies", MAX_ENTRIES, ++this.#entries, source);
    check("bytes in copies", MAX_DECOMPRESSED_BYTES, this.#bytes += size, source);
  }
}

function check(limit: string, max: number, value: number, source: string): void {
  if (value <= max) return;
  throw new LimitError(limit, max, value, `files up to ${JSON.stringify(source)}`);
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
    const writer = new HoleWriter(copy);
    let size = 0;
    for (let length = reader.read(buffer); length > 0; length = reader.read(buffer)) {
      writer.write(buffer.subarray(0, length), size);
      size += length;
    }
    writer.finish(size);
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
