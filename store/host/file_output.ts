import { followLinks } from "../../registry/credentials/follow_links.ts";
import { abortable } from "../../registry/tasks/abortable.ts";
import { OciError } from "../../spec/errors.ts";
import { dirname } from "../../spec/paths.ts";
import { statIfAny, syncDirectory, writeAll } from "./files.ts";
import { outputError } from "./system_error.ts";
import { TemporaryFile } from "./temporary_file.ts";

/** A destination for bytes in order. */
export interface FileOutput extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<number>;
  /** Discards the bytes after a position; absent if that is impossible, as for a pipe. */
  readonly rewind?: ((position: number) => Promise<void>) | undefined;
  /** Puts the complete file in place, durably. Without this call, nothing is left behind. */
  commit(): Promise<void>;
}

export interface FileOutputOptions {
  /** Start of the name of the temporary file, such as `.oci-save-`. */
  readonly prefix: string;
  /** Aborts the wait for the reader of a named pipe. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens an output file; follows symlinks. A regular or missing file is replaced: the bytes go to a
 * temporary file in the same directory, which then takes the name and mode, so that no partial file
 * is ever visible. Anything else, such as a pipe, is written directly. Removes temporary files left
 * behind by killed processes.
 *
 * @throws {OciError} If it cannot be opened.
 */
export async function openFileOutput(
  path: string,
  { prefix, signal }: FileOutputOptions,
): Promise<FileOutput> {
  try {
    const target = await followLinks(path);
    const found = statIfAny(target);
    if (found?.isDirectory) throw new Deno.errors.IsADirectory("it is a directory");
    const output = found?.isFile === false || isOpenAlready(path)
      ? await openAsIs(path, signal)
      : await openBeside(target, prefix, found?.mode ?? undefined);
    return namingFailures(path, output);
  } catch (error) {
    signal?.throwIfAborted();
    throw named(path, error);
  }
}

/** Wraps an output so that its errors, such as a full disk, name the path. */
function namingFailures(path: string, output: FileOutput): FileOutput {
  const { rewind } = output;
  return {
    write: (bytes) => nameFailure(path, () => output.write(bytes)),
    rewind: rewind && ((position) => nameFailure(path, () => rewind(position))),
    commit: () => nameFailure(path, () => output.commit()),
    [Symbol.asyncDispose]: () => output[Symbol.asyncDispose](),
  };
}

/** Runs a task that writes to a path. Errors name the path. */
export async function nameFailure<T>(path: string, task: () => T | Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw named(path, error);
  }
}

function named(path: string, error: unknown): unknown {
  // Some callers do not treat a closed pipe as a failure.
  const isForeign = !(error instanceof Error) || error instanceof OciError ||
    error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.BrokenPipe;
  return isForeign ? error : outputError(path, error);
}

/** Returns whether a path names an inherited file descriptor, such as `/dev/stdout`. */
function isOpenAlready(path: string): boolean {
  return /^\/(dev\/(std|fd\/)|proc\/)/.test(path);
}

async function openAsIs(path: string, signal: AbortSignal | undefined): Promise<FileOutput> {
  const file = await openPipe(path, signal);
  return {
    write: (bytes) => writeAll(file, bytes),
    commit: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(file.close()),
  };
}

/** Opens a path for writing. For a named pipe, waits for a reader. */
async function openPipe(path: string, signal: AbortSignal | undefined): Promise<Deno.FsFile> {
  const opening = Deno.open(path, { write: true });
  try {
    return await abortable(opening, signal);
  } catch (error) {
    opening.then((late) => late.close()).catch(() => {});
    throw error;
  }
}

async function openBeside(
  target: string,
  prefix: string,
  mode: number | undefined,
): Promise<FileOutput> {
  const directory = dirname(target);
  // A private file must stay private while it is being written.
  const temporary = await TemporaryFile.create({
    directory,
    prefix,
    mode: mode === undefined ? undefined : mode & 0o777 | 0o600,
  });
  await temporary.removeDead();
  const { file } = temporary;
  return {
    write: (bytes) => writeAll(file, bytes),
    rewind: async (position) => {
      await file.truncate(position);
      await file.seek(position, Deno.SeekMode.Start);
    },
    commit: async () => {
      if (mode !== undefined) await Deno.chmod(temporary.path, mode & 0o777);
      await file.sync();
      temporary.rename(target);
      await syncDirectory(directory);
    },
    [Symbol.asyncDispose]: () => Promise.try(() => temporary[Symbol.dispose]()),
  };
}
