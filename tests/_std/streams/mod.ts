/**
 * Stands in for `jsr:@std/streams` where JSR cannot be reached: the same functions,
 * from the npm build of the standard library, with the types that build lacks.
 *
 * @module
 */
// @ts-types="./_real.d.ts"
import { toArrayBuffer } from "deno-std/streams/mod.js";

// @ts-types="./_real.d.ts"
export * from "deno-std/streams/mod.js";

/**
 * Reads a whole stream into one array. The npm build is older than this function.
 *
 * @param stream What to read, to its end.
 * @returns The bytes.
 */
export async function toBytes(
  stream: ReadableStream<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await toArrayBuffer(stream));
}
