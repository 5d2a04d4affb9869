import { openFileOutput } from "../../store/host/file_output.ts";
import { Output } from "./output.ts";

/** Destination of `--output`. */
export interface OutputFile extends AsyncDisposable {
  /** Writer for the content. */
  readonly output: Output;
  /** Completes the file; without it, disposal removes the file. */
  finish(): Promise<void>;
}

/**
 * Opens a path for writing, following links. A file appears when it is complete and keeps the mode of
 * an existing one. Everything else, such as a pipe, is written directly.
 *
 * @param signal Aborts waits, such as for the reader of a named pipe.
 * @throws {OciError} If it cannot be opened.
 */
export async function openOutputFile(path: string, signal?: AbortSignal): Promise<OutputFile> {
  const file = await openFileOutput(path, { prefix: ".oci-export-", signal });
  return {
    output: new Output({ sink: file, name: `"${path}"`, signal }),
    finish: () => file.commit(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}
