import { isGranted } from "../../spec/granted.ts";
import { dirname } from "../../spec/paths.ts";
import { StoreError } from "../errors.ts";
import { ifAny, lstatIfAny, statIfAny } from "./files.ts";
import { isTrustedOwner, isWritableByOthers } from "./owners.ts";

/**
 * Reason why a file of a store is rejected: it is a symlink (`"symlink"`), a directory
 * (`"directory"`) or another special file (`"special"`), belongs to another user (`"owner"`), others
 * can write to it (`"writable"`), it has several names (`"hard-link"`), it keeps changing
 * (`"changing"`), it is not JSON (`"syntax"`), or its JSON has an unexpected structure (`"shape"`).
 */
export type FileFault =
  | "symlink"
  | "directory"
  | "special"
  | "owner"
  | "writable"
  | "hard-link"
  | "changing"
  | "syntax"
  | "shape";

const FAULTS: Readonly<Record<FileFault, string>> = {
  symlink: "it is a symlink",
  directory: "it is a directory",
  special: "it is not a regular file",
  owner: "it belongs to another user",
  writable: "it is writable by other users",
  "hard-link": "it has several names (hard links)",
  changing: "it keeps changing",
  syntax: "it is not JSON",
  shape: "its JSON has an unexpected structure",
};

/** Options for {@linkcode StoreFileError}. */
export interface StoreFileErrorOptions extends ErrorOptions {
  /** User ID of the file's owner, if the owner is the problem. */
  readonly owner?: number | undefined;
  /** Description of the problem, if it is more specific than the reason for the rejection. */
  readonly problem?: string | undefined;
}

/**
 * Thrown when a file of a store is damaged or cannot be trusted.
 *
 * @example Find the damaged file of a store
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, StoreFileError } from "@x/oci/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await pull("alpine:3.20", { store: "./store" });
 * await Deno.writeTextFile("./store/index.json", "{");
 * const store = await ContentStore.open("./store");
 *
 * const error = await assertRejects(() => store.references(), StoreFileError);
 *
 * assertEquals(error.fault, "syntax");
 * ```
 */
export class StoreFileError extends StoreError {
  /** Reason why the file is rejected. */
  readonly fault: FileFault;
  /** User ID of the file's owner, if the owner is the problem. */
  readonly owner: number | undefined;

  /** Creates the error for a file that could not be read or written; `advice` is a sentence. */
  constructor(
    fault: FileFault,
    path: string,
    verb: "read" | "write",
    advice: string,
    options: StoreFileErrorOptions = {},
  ) {
    const { owner, ...rest } = options;
    const ownerProblem = owner === undefined ? undefined : `it belongs to user ${owner}`;
    const problem = rest.problem ?? ownerProblem ?? FAULTS[fault];
    super(problem, path, { ...rest, code: "store-file", action: `${verb} "${path}"`, advice });
    this.fault = fault;
    this.owner = owner;
  }
}

export interface OpenRegularFileOptions {
  /**
   * Whether the file belongs to a directory that is only read, such as another user's image layout.
   * Its owner, permissions and hard links are not checked then.
   *
   * @default {false}
   */
  readonly foreign?: boolean | undefined;
  /**
   * Advice in the error if the file is rejected.
   *
   * @default {"Remove it and try again"}
   */
  readonly advice?: string | undefined;
}

/** The part of `Deno.FsFile` that reading needs. */
export interface ReadableFile extends Pick<Deno.FsFile, "read" | "readSync" | "close"> {
  seek(offset: number, whence: Deno.SeekMode.Start): Promise<number>;
}

export interface RegularFile<File = ReadableFile> extends Disposable {
  readonly file: File;
  /** Its status, read after it was opened. */
  readonly info: Deno.FileInfo;
}

const ADVICE = "Remove it and try again";

/** Maximum number of attempts if the file is replaced while it is opened. */
const MAX_ATTEMPTS = 100;

/**
 * Opens a file that an image, another user or an earlier process may have created. Opens regular
 * files only, never follows a symlink in the last component of the path, and never waits for the
 * other end of a pipe.
 *
 * @returns The file, or `undefined` if there is none.
 * @throws {StoreFileError} If it is not a regular file. Unless it is `foreign`, also if it belongs
 * to another user, others can write to it, or it has hard links.
 */
export function openRegularFile(
  path: string,
  options: OpenRegularFileOptions = {},
): RegularFile | undefined {
  return openChecked(path, options, options.foreign ? openForeign : openOwn);
}

/**
 * Opens a file of the store as {@linkcode openRegularFile} does, and returns the whole `FsFile`.
 *
 * @returns The file, or `undefined` if there is none.
 * @throws {StoreFileError} As {@linkcode openRegularFile} does.
 */
export function openOwnFile(path: string): RegularFile<Deno.FsFile> | undefined {
  return openChecked(path, {}, openOwn);
}

type Opened<File> = Omit<RegularFile<File>, keyof Disposable>;

function openChecked<File extends ReadableFile>(
  path: string,
  options: OpenRegularFileOptions,
  open: (path: string, named: Deno.FileInfo) => Opened<File>,
): RegularFile<File> | undefined {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    // Opening a symlink would follow it, and opening a FIFO would wait for a writer. Deno has no
    // O_NOFOLLOW.
    const named = lstatIfAny(path);
    if (named === undefined) return undefined;
    refuse(path, named, options);
    const opened = ifAny(() => open(path, named));
    if (opened === undefined) continue;
    using stack = new DisposableStack();
    const { file, info } = opened;
    stack.defer(() => file.close());
    // Another process has just replaced it, as happens to index.json.
    if (info.ino !== named.ino || info.dev !== named.dev) continue;
    refuse(path, info, options);
    stack.move();
    return { file, info, [Symbol.dispose]: () => file.close() };
  }
  throw new StoreFileError("changing", path, "read", "Try again later");
}

/** Opens a file that no other user can replace with a FIFO. */
function openOwn(path: string): Opened<Deno.FsFile> {
  using stack = new DisposableStack();
  const file = stack.use(Deno.openSync(path));
  const info = file.statSync();
  stack.move();
  return { file, info };
}

function openForeign(path: string, named: Deno.FileInfo): Opened<ReadableFile> {
  return isReplaceable(path, named) ? openNonblocking(path, named) : openOwn(path);
}

/** Throws if a file may not be read. */
function refuse(path: string, info: Deno.FileInfo, options: OpenRegularFileOptions): void {
  const fault = fileFault(info, options);
  if (fault === undefined) return;
  const owner = fault === "owner" ? info.uid ?? undefined : undefined;
  throw new StoreFileError(fault, path, "read", options.advice ?? ADVICE, { owner });
}

/** Returns the reason for rejecting a file; `undefined` if it may be read. */
export function fileFault(
  info: Deno.FileInfo,
  { foreign = false }: OpenRegularFileOptions = {},
): FileFault | undefined {
  if (info.isSymlink) return "symlink";
  if (info.isDirectory) return "directory";
  if (!info.isFile) return "special";
  if (foreign) return undefined;
  if (!isTrustedOwner(info.uid)) return "owner";
  if (isWritableByOthers(info)) return "writable";
  return (info.nlink ?? 1) > 1 ? "hard-link" : undefined;
}

/** Number of directories above a blob: the algorithm, `blobs`, and the layout itself. */
const LEVELS = 3;
/** Mode bit of a directory in which users can remove or rename only their own files. */
const STICKY = 0o1000;

/**
 * Whether another user can replace a file between two system calls. That requires write access to a
 * directory above it, up to that of the layout or store.
 */
function isReplaceable(path: string, info: Deno.FileInfo): boolean {
  if (Deno.build.os === "windows") return false;
  let child = info;
  let directory = dirname(path);
  for (let level = 0; level < LEVELS; level++) {
    const parent = statIfAllowed(directory);
    if (parent === undefined) break;
    const isSticky = ((parent.mode ?? 0) & STICKY) !== 0;
    if (!isTrustedOwner(parent.uid)) return true;
    if (isWritableByOthers(parent) && !(isSticky && isTrustedOwner(child.uid))) return true;
    const next = dirname(directory);
    if (next === directory) break;
    [child, directory] = [parent, next];
  }
  return false;
}

/** Returns the status of a directory; `undefined` without permission, such as above a layout. */
function statIfAllowed(path: string): Deno.FileInfo | undefined {
  return isGranted({ name: "read", path }) ? statIfAny(path) : undefined;
}

/** The fields of a status that Node and Deno represent in the same way. */
type NodeStatus = Pick<Deno.FileInfo, "dev" | "ino" | "mode" | "uid" | "gid" | "nlink" | "size">;

/**
 * Opens a file for reading without waiting for a writer if it is a FIFO. Only Node's API supports
 * `O_NONBLOCK`; loading it takes a few milliseconds.
 *
 * @param named Status of the path, which supplies the fields that Node lacks.
 */
function openNonblocking(path: string, named: Deno.FileInfo): Opened<ReadableFile> {
  const fs = globalThis.process.getBuiltinModule("node:fs");
  const { O_RDONLY, O_NONBLOCK } = fs.constants;
  const fd = fs.openSync(path, O_RDONLY | O_NONBLOCK);
  let at = 0;
  const advance = (count: number) => {
    at += count;
    return count === 0 ? null : count;
  };
  const file: ReadableFile = {
    readSync: (bytes) => advance(fs.readSync(fd, bytes, 0, bytes.length, at)),
    async read(bytes) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      fs.read(fd, bytes, 0, bytes.length, at, (error, count) => {
        if (error) reject(error);
        else resolve(count);
      });
      return advance(await promise);
    },
    seek(offset) {
      at = Number(offset);
      return Promise.resolve(at);
    },
    close: () => fs.closeSync(fd),
  };
  const status: NodeStatus = fs.fstatSync(fd);
  return { file, info: { ...named, ...status } };
}
