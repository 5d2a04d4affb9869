import { explainedError } from "../../spec/error_facts.ts";

/** Maximum size of a file in bytes; a sparse file may have any size. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Paths of files that are open already. */
const OPEN_FILE_REGEXP = /^\/dev\/(?:fd\/[0-9]+|stdin)$/;

/**
 * Reads a file of the user's configuration.
 *
 * @returns The bytes, or the reason why the file cannot be used.
 * @throws {Deno.errors.NotFound} If it does not exist.
 */
export async function readUserFile(path: string): Promise<Uint8Array<ArrayBuffer> | string> {
  const { isFile, size } = await Deno.stat(path);
  // Opening a named pipe would block, unless the shell has opened it, as for `<(command)`.
  if (!isFile && !OPEN_FILE_REGEXP.test(path)) return "it is not a regular file";
  const tooLarge = `it is larger than ${MAX_FILE_BYTES} bytes`;
  if (size > MAX_FILE_BYTES) return tooLarge;
  using file = await Deno.open(path);
  // A pipe has no size.
  const bytes = new Uint8Array(MAX_FILE_BYTES + 1);
  let length = 0;
  for (let count; (count = await file.read(bytes.subarray(length))) !== null;) {
    length += count;
    if (length > MAX_FILE_BYTES) return tooLarge;
  }
  return bytes.slice(0, length);
}

/** Reads a text file of the user's configuration, as {@linkcode readUserFile} does. */
export async function readUserText(path: string): Promise<string> {
  const bytes = await readUserFile(path);
  if (typeof bytes !== "string") return new TextDecoder().decode(bytes);
  throw explainedError(SyntaxError, {
    code: "invalid-text",
    action: `read "${path}"`,
    subject: path,
    problem: bytes,
    advice: "Specify a small file",
  });
}

/**
 * Reads a file of the user's configuration; returns `undefined` if it does not exist, or with a
 * warning if it cannot be read.
 */
export async function readUserFileOrWarn(
  path: string,
  onWarning: ((message: string) => void) | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const bytes = await readUserFile(path);
    if (typeof bytes !== "string") return bytes;
    throw new Error(bytes);
  } catch (error) {
    // Another program may have removed it in the meantime.
    if (error instanceof Deno.errors.NotFound) return undefined;
    onWarning?.(`Cannot read "${path}": ${readProblem(error)}. The file is not used`);
    return undefined;
  }
}

/** Lists a directory of the user's configuration; none with a warning if it cannot be read. */
export function listUserDirectory(
  path: string,
  onWarning: ((message: string) => void) | undefined,
): readonly Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch (error) {
    onWarning?.(`Cannot read the directory "${path}": ${readProblem(error)}. It is not used`);
    return [];
  }
}

/** Returns the reason why a file or a directory cannot be read. */
export function readProblem(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return error instanceof Error ? error.message : String(error);
}
