import { unlessThrown } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { isObject } from "../../spec/json.ts";
import { parseJson } from "../../spec/json_reader.ts";
import {
  openRegularFile,
  type OpenRegularFileOptions,
  StoreFileError,
} from "./open_regular_file.ts";

export interface ReadSmallFileOptions extends OpenRegularFileOptions {
  /** Maximum size of the file in bytes. */
  readonly maxBytes: number;
}

/**
 * Reads a whole file that an image, another user or an earlier process may have created; see
 * {@linkcode openRegularFile}. Synchronous, because such files are small and a command may read
 * hundreds of them.
 *
 * @returns The bytes, or `undefined` if there is no file.
 * @throws {StoreFileError} As {@linkcode openRegularFile} does.
 * @throws {LimitError} If it is larger than `maxBytes`.
 */
export function readSmallFile(
  path: string,
  options: ReadSmallFileOptions,
): Uint8Array<ArrayBuffer> | undefined {
  const { maxBytes } = options;
  using opened = openRegularFile(path, options);
  if (opened === undefined) return undefined;
  const { file, info: { size } } = opened;
  if (size > maxBytes) throw new LimitError("bytes", maxBytes, size, `"${path}"`);
  // With one more byte of room, two reads suffice: the second one finds the end. A file that is
  // growing or hides its size needs more.
  let bytes = new Uint8Array(size + 1);
  for (let length = 0;;) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) return bytes.subarray(0, length);
    length += count;
    if (length > maxBytes) throw new LimitError("bytes", maxBytes, length, `"${path}"`);
    if (length < bytes.length) continue;
    const larger = new Uint8Array(Math.min(2 * length, maxBytes + 1));
    larger.set(bytes);
    bytes = larger;
  }
}

/**
 * Returns the result of reading a file; `undefined` if another user may have written the file, or if
 * it is damaged or too large. For files that can be made again.
 */
export function unlessFaulty<T>(read: () => T): T | undefined {
  return unlessThrown(read, StoreFileError, LimitError);
}

/** Reads a text file as {@linkcode readSmallFile} does. */
export function readSmallText(path: string, options: ReadSmallFileOptions): string | undefined {
  const bytes = readSmallFile(path, options);
  return bytes && new TextDecoder().decode(bytes);
}

/**
 * Reads a JSON file as {@linkcode readSmallFile} does. Its value must be an object.
 *
 * @returns The object, or `undefined` if there is no file.
 * @throws {StoreFileError} As {@linkcode readSmallFile} does, and if the file is not JSON or its
 * value is not an object.
 * @throws {LimitError} If it is larger than `maxBytes`, or has more than four million values.
 */
export function readJsonFile(
  path: string,
  options: ReadSmallFileOptions,
): Readonly<Record<string, unknown>> | undefined {
  const { advice = "Restore it, or remove it and try again" } = options;
  const bytes = readSmallFile(path, options);
  if (bytes === undefined) return undefined;
  let value: unknown;
  try {
    value = parseJson(bytes, `"${path}"`);
  } catch (cause) {
    if (cause instanceof LimitError) throw cause;
    throw new StoreFileError("syntax", path, "read", advice, { cause });
  }
  if (isObject(value)) return value;
  throw new StoreFileError("shape", path, "read", advice);
}
