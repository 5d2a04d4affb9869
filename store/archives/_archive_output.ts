import { dirname, resolve } from "../../spec/paths.ts";
import { OciError } from "../../spec/errors.ts";
import { syncDirectory } from "../host/durable.ts";

/** Takes the bytes of an archive, in order. */
export interface ArchiveOutput extends AsyncDisposable {
  /** Writes all of the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Goes back to an earlier position; absent where what was written has gone. */
  rewind?(position: number): Promise<void>;
  /** Makes what was written the file, whole and durable. Without it nothing is left behind. */
  commit(): Promise<void>;
}

/** Links in a row, as Linux counts them. */
const MAX_LINKS = 40;

/**
 * Opens the file that a path names, through links. A regular file is written beside it, and takes
 * its place and its mode at the end: nobody ever finds half of one. Anything else, such as a pipe, is
 * written as it is.
 */
export async function openArchiveOutput(path: string): Promise<ArchiveOutput> {
  try {
    const target = await followLinks(path);
    const found = await statIfAny(target);
    if (found?.isDirectory) throw new Deno.errors.IsADirectory("it is a directory");
    const isOpenAlready = /^\/(dev\/(std|fd\/)|proc\/)/.test(path);
    return found?.isFile === false || isOpenAlready
      ? await openAsIs(path)
      : await openBeside(target, found?.mode ?? undefined);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    // Deno adds the path of the temporary file, which nobody gave.
    throw new OciError(`Cannot write "${path}": ${describeFailure(error)}`, { cause: error });
  }
}

function describeFailure(error: Error): string {
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory; name a file in it";
  if (error instanceof Deno.errors.NotFound) return "its directory does not exist; make it first";
  const why = error.message.replace(/ \(os error.*/s, "");
  const isDenied = error instanceof Deno.errors.PermissionDenied;
  return isDenied ? `${why}; check who owns its directory, and its mode` : why;
}

/** Writes an archive to a stream, such as stdout. */
export function streamOutput(sink: { write(bytes: Uint8Array): Promise<void> }): ArchiveOutput {
  return {
    write: (bytes) => sink.write(bytes),
    commit: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function openAsIs(path: string): Promise<ArchiveOutput> {
  const file = await Deno.open(path, { write: true });
  return {
    write: (bytes) => writeAll(file, bytes),
    commit: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(file.close()),
  };
}

async function openBeside(target: string, mode: number | undefined): Promise<ArchiveOutput> {
  const directory = dirname(target);
  const temporary = `${directory}/.oci-save-${crypto.randomUUID()}`;
  const file = await Deno.open(temporary, { write: true, createNew: true });
  let isCommitted = false;
  return {
    write: (bytes) => writeAll(file, bytes),
    rewind: async (position) => {
      await file.truncate(position);
      await file.seek(position, Deno.SeekMode.Start);
    },
    commit: async () => {
      if (mode !== undefined) await Deno.chmod(temporary, mode & 0o777);
      await file.sync();
      await Deno.rename(temporary, target);
      isCommitted = true;
      await syncDirectory(directory);
    },
    [Symbol.asyncDispose]: async () => {
      file.close();
      if (!isCommitted) await Deno.remove(temporary);
    },
  };
}

/** Writes all of the bytes. */
export async function writeAll(
  file: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** The path that a write to `path` reaches, even if the last link leads to nothing. */
async function followLinks(path: string): Promise<string> {
  let target = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    try {
      return await Deno.realPath(target);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    try {
      target = resolve(dirname(target), await Deno.readLink(target));
    } catch {
      // It is no link, and there is nothing: the file is created here.
      return target;
    }
  }
  return target;
}

async function statIfAny(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
