import { type FileFault, StoreFileError } from "../errors.ts";
import { lstatIfAny } from "./durable.ts";
import { isTrustedOwner } from "./owners.ts";
import { isWritableByOthers } from "./writable_by_others.ts";

/** Options for {@linkcode openRegularFile}. */
export interface OpenRegularFileOptions {
  /**
   * Whether the file is in a directory that is only read, such as another user's image layout. Its
   * owner, permissions and number of names do not matter there.
   *
   * @default {false}
   */
  readonly foreign?: boolean | undefined;
  /**
   * What to do about a file that is refused, as the end of a sentence.
   *
   * @default {"remove it and try again"}
   */
  readonly remedy?: string | undefined;
}

/** A regular file that is open for reading. */
export interface RegularFile extends Disposable {
  /** The open file. */
  readonly file: Deno.FsFile;
  /** Its status, asked for after it was opened. */
  readonly info: Deno.FileInfo;
}

const REMEDY = "remove it and try again";

/** A file that is replaced between two system calls this often is not replaced by a store. */
const MAX_ATTEMPTS = 100;

/**
 * Opens a file for reading that an image, another user or an earlier process may have made. Opens
 * regular files only, never follows a symlink in the last component of the path, and never waits
 * for the other end of a pipe.
 *
 * @param path Path of the file.
 * @param options Permitted owner, and the remedy for errors.
 * @returns The file, or `undefined` if there is none.
 * @throws {StoreFileError} If it is not a regular file; or if it belongs to another user, others can
 * write to it, or it has several names, and it is not `foreign`.
 */
export function openRegularFile(
  path: string,
  options: OpenRegularFileOptions = {},
): RegularFile | undefined {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    // Opening would follow a symlink, and wait for a writer of a FIFO. Deno has no O_NOFOLLOW.
    const named = lstatIfAny(path);
    if (named === undefined) return undefined;
    refuse(path, named, options);
    using stack = new DisposableStack();
    const file = stack.use(openIfAny(path));
    if (file === null) continue;
    const info = file.statSync();
    // Another process has just replaced it, as is done with index.json.
    if (info.ino !== named.ino || info.dev !== named.dev) continue;
    refuse(path, info, options);
    stack.move();
    return { file, info, [Symbol.dispose]: () => file.close() };
  }
  throw new StoreFileError("changing", path, "read", "try again later");
}

/** Throws if a file is not one that may be read. */
function refuse(path: string, info: Deno.FileInfo, options: OpenRegularFileOptions): void {
  const fault = fileFault(info, options);
  if (fault === undefined) return;
  const owner = fault === "owner" ? info.uid ?? undefined : undefined;
  throw new StoreFileError(fault, path, "read", options.remedy ?? REMEDY, { owner });
}

/** What is wrong with a file; `undefined` if it may be read. */
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

function openIfAny(path: string): Deno.FsFile | null {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
