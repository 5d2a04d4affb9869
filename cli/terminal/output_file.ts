import { dirname, join, resolve } from "../../spec/paths.ts";
import { OciError } from "../../spec/errors.ts";
import { abortable } from "./abortable.ts";
import { Output } from "./output.ts";

/** Destination of `--output`. */
export interface OutputFile extends AsyncDisposable {
  /** Writer for the content. */
  readonly output: Output;
  /** Completes the file; without it, disposal removes the file. */
  finish(): Promise<void>;
}

/**
 * Opens a path for writing, following links. A file is written to a temporary file, which then takes
 * the place and the mode of an existing one, so that no partial file is ever visible. Everything
 * else, such as a pipe, is written directly.
 *
 * @param signal Aborts waits, such as for the reader of a named pipe.
 * @throws {OciError} If it cannot be opened.
 */
export async function openOutputFile(path: string, signal?: AbortSignal): Promise<OutputFile> {
  try {
    const target = await followLinks(path);
    const found = await statOf(target);
    if (found?.isDirectory) throw new Deno.errors.IsADirectory("Is a directory");
    return found?.isFile === false || isOpenAlready(path)
      ? await openAsIs(path, signal)
      : await openBeside(path, { target, found, signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    // Deno appends the name of the operation with an internal path.
    const why = error.message.replace(/ \(os error.*/s, "");
    throw new OciError(`Cannot write "${path}": ${why}${adviceFor(error)}`, { cause: error });
  }
}

function adviceFor(error: Error): string {
  if (error instanceof Deno.errors.IsADirectory) return "; specify a file in it";
  if (error instanceof Deno.errors.NotFound) return "; create its directory first";
  const isDenied = error instanceof Deno.errors.PermissionDenied;
  return isDenied ? "; check the owner and the mode of its directory" : "";
}

/** Returns whether a path names an inherited file descriptor, such as `/dev/stdout`. */
function isOpenAlready(path: string): boolean {
  return /^\/(dev\/(std|fd\/)|proc\/)/.test(path);
}

async function openAsIs(path: string, signal: AbortSignal | undefined): Promise<OutputFile> {
  // Opening a named pipe waits for a reader.
  const opening = Deno.open(path, { write: true });
  let file: Deno.FsFile;
  try {
    file = await abortable(opening, signal);
  } catch (error) {
    opening.then((late) => late.close()).catch(() => {});
    throw error;
  }
  return {
    output: new Output({ sink: file, name: `"${path}"`, signal }),
    finish: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(file.close()),
  };
}

interface TargetFile {
  readonly target: string;
  readonly found: Deno.FileInfo | undefined;
  readonly signal: AbortSignal | undefined;
}

async function openBeside(
  path: string,
  { target, found, signal }: TargetFile,
): Promise<OutputFile> {
  const temporary = join(dirname(target), `.oci-export-${crypto.randomUUID()}`);
  const file = await Deno.open(temporary, { write: true, createNew: true });
  let isFinished = false;
  return {
    output: new Output({ sink: file, name: `"${path}"`, signal }),
    finish: async () => {
      const mode = found?.mode ?? undefined;
      if (mode !== undefined) await Deno.chmod(temporary, mode & 0o777);
      await Deno.rename(temporary, target);
      isFinished = true;
    },
    [Symbol.asyncDispose]: async () => {
      file.close();
      if (!isFinished) await Deno.remove(temporary);
    },
  };
}

/** Resolves a path for writing, including links to targets that do not exist yet. */
async function followLinks(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    return await followLinks(resolve(dirname(path), await Deno.readLink(path)));
  } catch {
    // Not a link; opening it reports other problems.
    return path;
  }
}

async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
