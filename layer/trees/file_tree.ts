/** What a file system entry is. */
export type FileType =
  | "file"
  | "directory"
  | "symlink"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket";

/** What a file system knows of an entry. */
export interface FileStatus {
  /** What it is. */
  readonly type: FileType;
  /** Permission bits with set-user-id, set-group-id and sticky. */
  readonly mode: number;
  /** Owner. */
  readonly uid: number;
  /** Group. */
  readonly gid: number;
  /** Size in bytes. */
  readonly size: number;
  /** Number of names that it has. */
  readonly nlink: number;
  /** Modification time: whole seconds since 1970, rounded down. */
  readonly mtime: number;
  /** Nanoseconds after `mtime`. */
  readonly mtimeNs: number;
  /** The file system that it is on: equal for two entries of one tree, and only there. */
  readonly dev: number;
  /** Its number in the file system. */
  readonly ino: number;
  /** Major number of a device. */
  readonly devmajor: number;
  /** Minor number of a device. */
  readonly devminor: number;
}

/** An entry that is open, so that its metadata is changed whatever happens to its name. */
export interface TreeEntry extends Disposable {
  /** Changes the owner; clears set-user-id, set-group-id and `security.capability`. */
  setOwner(uid: number, gid: number): void;
  /** Changes the permission bits; not for symbolic links, which have none. */
  setMode(mode: number): void;
  /** Sets the time of modification, and of access to the same. */
  setTimes(mtime: number, mtimeNs: number): void;
  /**
   * Sets an extended attribute.
   *
   * @throws {Deno.errors.NotSupported} If the tree cannot hold attributes, or not this one.
   */
  setXattr(name: string, value: Uint8Array): void;
  /** Value of an extended attribute; `undefined` if there is none, or the tree cannot tell. */
  getXattr(name: string): Uint8Array | undefined;
  /** Names of the extended attributes; none where the tree cannot tell. */
  listXattrs(): readonly string[];
  /** Removes an extended attribute. */
  removeXattr(name: string): void;
}

/** A new file that is open for writing. */
export interface TreeFile extends TreeEntry {
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): void;
  /** Makes the file `size` bytes long; what has not been written is a hole. */
  truncate(size: number): void;
}

/** A name in a directory. */
export interface TreeName {
  /** The name. */
  readonly name: string;
  /** Whether it is that of a directory, rather than of a link to one or of anything else. */
  readonly isDirectory: boolean;
}

/** A file that is open for reading. */
export interface TreeReader extends Disposable {
  /** Reads the next bytes into `buffer`: how many, or 0 at the end. */
  read(buffer: Uint8Array): number;
}

/**
 * A directory tree whose operations cannot leave it.
 *
 * Every path is relative to the root, without `.`, `..`, empty parts or a leading slash; the
 * empty path is the root. The parent of a path must be a *real* directory, reached through no
 * symbolic link: who has a path that may pass links resolves it first. The last part is never
 * followed. Text that is not well-formed stands for bytes as in
 * {@linkcode TarHeader}.
 *
 * All operations are synchronous: creating many small files with awaited calls takes seven times
 * as long. Errors are those of `Deno.errors` with the `code` of the system call.
 */
export interface FileTree extends Disposable {
  /** Which backend this is. */
  readonly backend: TreeBackend;
  /** Absolute path of the root. */
  readonly root: string;
  /** What is at `path`, or `undefined` if nothing is. */
  status(path: string): FileStatus | undefined;
  /** What the symbolic link at `path` points to. */
  readLink(path: string): string;
  /** Names in the directory at `path`, in no particular order. */
  list(path: string): readonly string[];
  /** The same, and which of them are directories. */
  entries(path: string): readonly TreeName[];
  /** Opens the file at `path` for reading. */
  openFile(path: string): TreeReader;
  /** Makes a directory of mode 0700; `false` if there is something at `path` already. */
  makeDirectory(path: string): boolean;
  /**
   * Makes a file; `undefined` if there is something at `path` already.
   *
   * @param mode The permissions that it is to get in the end. A tree may give them to it at once,
   * as far as the system lets it: `setMode` is called all the same. 0600 by default.
   */
  createFile(path: string, mode?: number): TreeFile | undefined;
  /** Makes a symbolic link; `false` if there is something at `path` already. */
  makeSymlink(path: string, target: string): boolean;
  /** Gives the entry at `target`, itself if it is a link, the name `path` as well. */
  makeLink(path: string, target: string): void;
  /**
   * Makes a device or a FIFO; `false` if there is something at `path` already.
   *
   * @throws {Deno.errors.NotSupported} If the tree cannot make such nodes.
   * @throws {Deno.errors.PermissionDenied} If this process may not.
   */
  makeNode(path: string, type: FileType, devmajor: number, devminor: number): boolean;
  /** Opens whatever is at `path` to change its metadata. */
  open(path: string): TreeEntry;
  /**
   * Gives the entry at `from` the name `to` instead, on the same file system. Something else that
   * has it goes, if it is no directory, and `from` none either.
   */
  rename(from: string, to: string): void;
  /** Removes the name of something that is no directory. */
  unlink(path: string): void;
  /** Removes an empty directory. */
  removeDirectory(path: string): void;
}

/** How a tree talks to the kernel: through its own system calls or through Deno's API. */
export type TreeBackend = "native" | "pure";
