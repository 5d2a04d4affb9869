/** Type of a file system entry. */
export type FileType =
  | "file"
  | "directory"
  | "symlink"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket";

/** Metadata of a file system entry. */
export interface FileStatus {
  /** Type. */
  readonly type: FileType;
  /** Permission, set-user-ID, set-group-ID and sticky bits. */
  readonly mode: number;
  /** User ID. */
  readonly uid: number;
  /** Group ID. */
  readonly gid: number;
  /** Size in bytes. */
  readonly size: number;
  /** Number of hard links. */
  readonly nlink: number;
  /** Modification time: whole seconds since 1970, rounded down. */
  readonly mtime: number;
  /** Nanoseconds after `mtime`. */
  readonly mtimeNs: number;
  /** Device number of the file system; comparable within one tree. */
  readonly dev: number;
  /** Inode number. */
  readonly ino: number;
  /** Major number of a device. */
  readonly devmajor: number;
  /** Minor number of a device. */
  readonly devminor: number;
}

/** An open entry. Its metadata can be changed even if its name changes. */
export interface TreeEntry extends Disposable {
  /** Changes the owner; clears set-user-ID, set-group-ID and `security.capability`. */
  setOwner(uid: number, gid: number): void;
  /** Changes the permission bits. Symbolic links have none. */
  setMode(mode: number): void;
  /** Sets the modification time, and the access time to the same value. */
  setTimes(mtime: number, mtimeNs: number): void;
  /**
   * Sets an extended attribute.
   *
   * @throws {Deno.errors.NotSupported} If the tree does not support the attribute.
   */
  setXattr(name: string, value: Uint8Array): void;
  /** Returns the value of an extended attribute; `undefined` if it is absent or not visible. */
  getXattr(name: string): Uint8Array | undefined;
  /** Returns the names of the visible extended attributes. */
  listXattrs(): readonly string[];
  /** Removes an extended attribute. */
  removeXattr(name: string): void;
}

/** A new file, open for writing. */
export interface TreeFile extends TreeEntry {
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): void;
  /** Sets the size of the file; unwritten parts are holes. */
  truncate(size: number): void;
}

/** A name in a directory. */
export interface TreeName {
  /** The name. */
  readonly name: string;
  /** Whether it is a directory, not a symlink to one. */
  readonly isDirectory: boolean;
}

/** A file, open for reading. */
export interface TreeReader extends Disposable {
  /** Reads the next bytes into `buffer` and returns their number, or 0 at the end. */
  read(buffer: Uint8Array): number;
}

/**
 * A directory tree whose operations never leave its root.
 *
 * Paths are relative to the root, without `.`, `..`, empty components or a leading slash; the empty
 * path is the root. The parent of a path must not contain symlinks: the caller resolves them. The
 * last component is never followed. Bytes that are not UTF-8 are represented as in
 * {@linkcode TarHeader}.
 *
 * All operations are synchronous, because asynchronous calls take seven times as long for small
 * files. Errors are those of `Deno.errors` with the `code` of the system call.
 */
export interface FileTree extends Disposable {
  /** Backend of the tree. */
  readonly backend: TreeBackend;
  /** Absolute path of the root. */
  readonly root: string;
  /** Returns the metadata of an entry, or `undefined` if there is none. */
  status(path: string): FileStatus | undefined;
  /** Returns the target of a symbolic link. */
  readLink(path: string): string;
  /** Lists the names in a directory, in no particular order. */
  list(path: string): readonly string[];
  /** Lists the names in a directory with their kinds. */
  entries(path: string): readonly TreeName[];
  /** Opens a file for reading. */
  openFile(path: string): TreeReader;
  /** Creates a directory with mode 0700. Returns `false` if `path` exists. */
  makeDirectory(path: string): boolean;
  /**
   * Creates a file. Returns `undefined` if `path` exists.
   *
   * @param mode Final permissions, 0600 by default. A tree may set them at once; the caller still
   * calls `setMode`.
   */
  createFile(path: string, mode?: number): TreeFile | undefined;
  /** Creates a symbolic link. Returns `false` if `path` exists. */
  makeSymlink(path: string, target: string): boolean;
  /** Creates a hard link at `path` to `target`, which is not followed. */
  makeLink(path: string, target: string): void;
  /**
   * Creates a device or a FIFO. Returns `false` if `path` exists.
   *
   * @throws {Deno.errors.NotSupported} If the tree does not support such nodes.
   * @throws {Deno.errors.PermissionDenied} If the process may not create them.
   */
  makeNode(path: string, type: FileType, devmajor: number, devminor: number): boolean;
  /** Opens an entry of any type to change its metadata. */
  open(path: string): TreeEntry;
  /**
   * Renames an entry within a file system. Replaces an existing entry unless either is a directory.
   */
  rename(from: string, to: string): void;
  /** Removes an entry that is not a directory. */
  unlink(path: string): void;
  /** Removes an empty directory. */
  removeDirectory(path: string): void;
  /**
   * Completes all files: another thread may still be writing small files that were disposed of.
   * Call it before reading files by other means than this tree.
   *
   * @throws {Error} If a file cannot be written.
   */
  settle(): void;
}

/** Backend of a tree: system calls through FFI, or Deno's API. */
export type TreeBackend = "native" | "pure";
