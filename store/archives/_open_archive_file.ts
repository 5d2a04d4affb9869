import {
  detectCompression,
  DETECTION_SIZE,
  unsupportedFormat,
} from "../../layer/compression/compression.ts";
import { DecompressStream } from "../../layer/compression/decompress_stream.ts";
import type { DecompressOptions } from "../../layer/compression/decompressor.ts";
import { describeError, unlessThrown } from "../../spec/error_facts.ts";
import { LimitError, OciError } from "../../spec/errors.ts";
import { ArchiveError } from "../errors.ts";
import { nameFailure } from "../host/file_output.ts";
import { lstatIfAny, writeAll } from "../host/files.ts";
import { ensureDirectory } from "../host/private_directory.ts";
import { TemporaryFile } from "../host/temporary_file.ts";
import { ArchiveFile } from "./_archive_file.ts";

export interface OpenArchiveFileOptions extends Pick<DecompressOptions, "maxRatio" | "maxWindow"> {
  /** Directory for a temporary copy of an archive that cannot be read at any offset. */
  readonly spoolDirectory: string;
  /** Stream to read instead of the file. */
  readonly input?: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a tar archive for reading at any offset. A compressed archive, or one from a pipe, is first
 * copied into a temporary file, which has no name and so disappears with the process.
 *
 * @throws {ArchiveError} If it is not a tar archive, or its compression is not supported.
 */
export async function openArchiveFile(
  path: string,
  options: OpenArchiveFileOptions,
): Promise<ArchiveFile> {
  const { signal } = options;
  if (options.input !== undefined) return await spool(path, options.input, options);
  if (path === "-") return await spool("stdin", Deno.stdin.readable, options);
  const file = await open(path);
  try {
    const { isFile, size } = await file.stat();
    if (!isFile) return await spool(path, file.readable, options);
    const archive = new ArchiveFile(file, size, path);
    const head = await archive.bytes({ offset: 0, size: Math.min(size, DETECTION_SIZE) });
    if (compressionOf(head, path) === "none") return archive;
    await file.seek(0, Deno.SeekMode.Start);
    return await spool(path, file.readable, options);
  } catch (error) {
    closeIfOpen(file);
    signal?.throwIfAborted();
    throw error;
  }
}

async function open(path: string): Promise<Deno.FsFile> {
  try {
    if ((await Deno.stat(path)).isDirectory) {
      // A layout could be loaded as well; a directory in skopeo's "dir:" format has no index.
      const isLayout = lstatIfAny(`${path}/index.json`) !== undefined;
      const kind = isLayout ? "it is a directory" : "it is a directory, but not an OCI layout";
      throw new ArchiveError(path, "format", kind);
    }
    return await Deno.open(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new ArchiveError(path, "absent", "there is no such file", { cause: error });
  }
}

/** Closes a file, unless a stream that has ended closed it. */
function closeIfOpen(file: Deno.FsFile): void {
  unlessThrown(() => file.close(), Deno.errors.BadResource);
}

function compressionOf(head: Uint8Array, name: string) {
  const compression = detectCompression(head);
  if (compression !== undefined) return compression;
  const unsupported = unsupportedFormat(head);
  if (unsupported !== undefined) {
    const problem = `it is compressed with ${unsupported}, which is not supported`;
    throw new ArchiveError(name, "compression", problem);
  }
  throw new ArchiveError(
    name,
    "format",
    head.length === 0
      ? "it is empty"
      : "it is neither a tar archive nor one compressed with gzip or zstd",
  );
}

/** Copies a stream, decompressed, into a temporary file. */
async function spool(
  name: string,
  input: ReadableStream<Uint8Array<ArrayBuffer>>,
  options: OpenArchiveFileOptions,
): Promise<ArchiveFile> {
  const { spoolDirectory, signal } = options;
  await ensureDirectory(spoolDirectory);
  const temporary = await TemporaryFile.create({
    directory: spoolDirectory,
    prefix: "archive-",
    suffix: ".part",
    mode: 0o600,
  });
  await temporary.removeDead();
  const { file } = temporary;
  try {
    // Without a name, the file disappears with the process, even if that is killed.
    if (Deno.build.os !== "windows") await Deno.remove(temporary.path);
    let size = 0;
    for await (const chunk of decompressed(name, input, options)) {
      // The file no longer has a name, so an error names its directory.
      await nameFailure(spoolDirectory, () => writeAll(file, chunk));
      size += chunk.length;
    }
    return new ArchiveFile(file, size, name);
  } catch (error) {
    file.close();
    signal?.throwIfAborted();
    throw error;
  }
}

async function* decompressed(
  name: string,
  input: ReadableStream<Uint8Array<ArrayBuffer>>,
  { maxRatio, maxWindow, signal }: OpenArchiveFileOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const checked = input.pipeThrough(headCheck(name), signal && { signal });
  try {
    // An archive may be of any size, so only the compression ratio reveals a bomb.
    yield* checked.pipeThrough(new DecompressStream({ maxBytes: 0, maxRatio, maxWindow }));
  } catch (error) {
    if (!(error instanceof OciError) || error instanceof ArchiveError) throw error;
    // A limit error names what it rejects in its action, not in its problem.
    const isLimit = error instanceof LimitError;
    const problem = `it cannot be decompressed: ${isLimit ? describeError(error) : error.problem}`;
    throw new ArchiveError(name, isLimit ? "hostile" : "damaged", problem, { cause: error });
  }
}

/** Returns a stream that fails unless the first bytes are those of a supported format. */
function headCheck(
  name: string,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let head: Uint8Array<ArrayBuffer> | undefined = new Uint8Array();
  const check = (controller: TransformStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    if (head === undefined) return;
    compressionOf(head, name);
    controller.enqueue(head);
    head = undefined;
  };
  return new TransformStream({
    transform(chunk, controller) {
      if (head === undefined) return controller.enqueue(chunk);
      const joined = new Uint8Array(head.length + chunk.length);
      joined.set(head);
      joined.set(chunk, head.length);
      head = joined;
      if (head.length >= DETECTION_SIZE) check(controller);
    },
    flush: check,
  });
}
