/**
 * The content of a directory tree, entry by entry, to compare with another tree or with
 * expectations.
 *
 * @module
 */
import { openFileTree } from "../../layer/disk/open_tree.ts";
import type { FileTree, FileType } from "../../layer/mod.ts";
import { digestOf } from "../../spec/mod.ts";
import { MTIME } from "./tar_entry.ts";

/** One entry of a tree. */
export interface TreeEntryState {
  readonly type: FileType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Size in bytes; 0 for directories, whose size depends on the file system. */
  readonly size: number;
  /** Seconds since 1970 with nine decimals. */
  readonly mtime: string;
  /** Number of names; 1 for directories. */
  readonly nlink: number;
  /** First path of the same file, which shows hard links. */
  readonly sameAs: string;
  readonly target: string;
  readonly device: string;
  /** Extended attributes by name, in hexadecimal. */
  readonly xattrs: Readonly<Record<string, string>>;
  readonly hash: string;
  /** The content of a small file. */
  readonly content: string;
}

export interface ReadTreeOptions {
  /** Whether to leave out the times of modification below the millisecond. */
  readonly wholeMilliseconds?: boolean;
  /** Whether an ordinary user makes everything readable first, which changes modes. */
  readonly makeReadable?: boolean;
}

/** Reads a tree, by path relative to the root, which is `.`. Extended attributes need FFI. */
export function readTree(
  root: string,
  options: ReadTreeOptions = {},
): ReadonlyMap<string, TreeEntryState> {
  const states = new Map<string, TreeEntryState>();
  const inodes = new Map<number, string>();
  if (options.makeReadable && Deno.uid() !== 0) makeReadable(root);
  using tree = openFileTree(root);
  const visit = (path: string) => {
    const state = readEntry(tree, path, inodes, options);
    states.set(path || ".", state);
    if (state.type !== "directory") return;
    for (const name of [...tree.list(path)].sort()) visit(path === "" ? name : `${path}/${name}`);
  };
  visit("");
  return states;
}

function makeReadable(path: string): void {
  const { isSymlink, isFile, isDirectory } = Deno.lstatSync(path);
  if (isSymlink) return;
  if (isFile || isDirectory) Deno.chmodSync(path, 0o700);
  if (!isDirectory) return;
  for (const { name } of Deno.readDirSync(path)) makeReadable(`${path}/${name}`);
}

function readEntry(
  tree: FileTree,
  path: string,
  inodes: Map<number, string>,
  options: ReadTreeOptions,
): TreeEntryState {
  const status = tree.status(path);
  if (status === undefined) throw new Error(`"${path}" vanished while it was read`);
  const { type, mode, uid, gid, mtime, ino } = status;
  const mtimeNs = options.wholeMilliseconds
    ? status.mtimeNs - status.mtimeNs % 1_000_000
    : status.mtimeNs;
  const bytes = type === "file" && status.size <= 1 << 26
    ? readFile(tree, path, status.size)
    : null;
  if (!inodes.has(ino)) inodes.set(ino, path || ".");
  const isDevice = type === "character-device" || type === "block-device";
  return {
    type,
    mode,
    uid,
    gid,
    size: type === "directory" ? 0 : status.size,
    mtime: `${mtime}.${String(mtimeNs).padStart(9, "0")}`,
    nlink: type === "directory" ? 1 : status.nlink,
    sameAs: inodes.get(ino) ?? path,
    target: type === "symlink" ? tree.readLink(path) : "",
    device: isDevice ? `${status.devmajor}:${status.devminor}` : "",
    xattrs: readXattrs(tree, path),
    hash: bytes === null ? "" : digestOf(bytes),
    content: bytes !== null && bytes.length <= 256 ? new TextDecoder().decode(bytes) : "",
  };
}

function readXattrs(tree: FileTree, path: string): Record<string, string> {
  using entry = tree.open(path);
  const names = [...entry.listXattrs()].filter((name) => name !== "security.selinux").sort();
  return Object.fromEntries(names.map((name) => [name, entry.getXattr(name)?.toHex() ?? ""]));
}

function readFile(tree: FileTree, path: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  using reader = tree.openFile(path);
  let at = 0;
  for (let length = 1; length > 0 && at < size; at += length) {
    length = reader.read(bytes.subarray(at));
  }
  return bytes;
}

const TYPE_WORD: Readonly<Record<FileType, string>> = {
  "file": "file",
  "directory": "dir",
  "symlink": "link",
  "character-device": "char",
  "block-device": "block",
  "fifo": "fifo",
  "socket": "socket",
};
const USUAL_MODE: Readonly<Partial<Record<FileType, number>>> = {
  directory: 0o755,
  symlink: 0o777,
};

/**
 * Describes an entry in a line, without the usual metadata: mode 644 (directories 755, links 777),
 * owner 0:0, the `MTIME` of fixtures, no attributes, one name.
 *
 * ```text
 * file "hello"
 * dir 1777
 * link -> /usr/bin
 * file 4755 1000:1000 @1.5 user.a=78 = usr/bin/su "…"
 * char 666 1:3
 * ```
 */
function describeEntry(state: TreeEntryState, path: string): string {
  const { type, mode, uid, gid, mtime, device, target, xattrs, sameAs, size, content } = state;
  const words: string[] = [TYPE_WORD[type]];
  if (mode !== (USUAL_MODE[type] ?? 0o644)) words.push(mode.toString(8));
  if (uid !== 0 || gid !== 0) words.push(`${uid}:${gid}`);
  if (mtime !== `${MTIME}.000000000`) words.push(`@${trimTime(mtime)}`);
  if (device !== "") words.push(device);
  for (const [name, value] of Object.entries(xattrs)) words.push(`${name}=${value}`);
  if (sameAs !== path) words.push(`= ${sameAs}`);
  if (type === "symlink") words.push(`-> ${target}`);
  if (type === "file") words.push(size <= 256 ? JSON.stringify(content) : `${size} bytes`);
  return words.join(" ");
}

function trimTime(mtime: string): string {
  return mtime.replace(/\.0+$/, "").replace(/(\.\d*?)0+$/, "$1");
}

/**
 * Describes a tree entry by entry with {@linkcode describeEntry}, without the root unless it is
 * requested.
 */
export function describeTree(
  states: ReadonlyMap<string, TreeEntryState>,
  withRoot = false,
): Record<string, string> {
  return Object.fromEntries(
    [...states].filter(([path]) => withRoot || path !== ".")
      .map(([path, state]) => [path, describeEntry(state, path)]),
  );
}

/** Describes a tree in a directory without its owners, which depend on the user. */
export function describeOwnerless(root: string): Record<string, string> {
  const states = [...readTree(root)];
  return describeTree(
    new Map(states.map(([path, state]) => [path, { ...state, uid: 0, gid: 0 }])),
  );
}
