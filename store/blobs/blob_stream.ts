import { DigestMismatchError } from "../../spec/errors.ts";
import type { BlobReadOptions } from "../../spec/image/image.ts";
import type { Verifier } from "../../spec/verifier.ts";
import { byteStream } from "../host/byte_stream.ts";
import { openRegularFile } from "../host/open_regular_file.ts";

/** Options for {@linkcode ContentStore.openBlob}. */
export type OpenBlobOptions = Pick<
  BlobReadOptions,
  "offset" | "length" | "reuseMemory" | "freeMemory" | "signal"
>;

/** Size of a chunk, so large that the cost of a call does not matter. */
const CHUNK_BYTES = 256 * 1024;

export interface BlobStreamOptions extends OpenBlobOptions {
  /** Verifier that receives each chunk, and is finished before the last chunk is passed on. */
  readonly verifier?: Verifier | undefined;
  /** Called when the verifier rejects the bytes. */
  readonly onMismatch?: (() => void) | undefined;
}

/** Opens a file as a stream that reads on demand and closes the file at the end. */
export async function openBlobStream(
  path: string,
  options: BlobStreamOptions = {},
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { offset = 0, length = Infinity, verifier, onMismatch, signal } = options;
  const { reuseMemory, freeMemory } = options;
  signal?.throwIfAborted();
  // A symlink could lead out of the store or the layout. The owner of the file does not matter,
  // since its digest is verified.
  const opened = openRegularFile(path, { foreign: true });
  if (opened === undefined) {
    throw new Deno.errors.NotFound(`Cannot read "${path}": there is no such file`);
  }
  const { file, info: { size } } = opened;
  try {
    if (offset > 0) await file.seek(offset, Deno.SeekMode.Start);
  } catch (error) {
    file.close();
    throw error;
  }
  let left = Math.max(0, Math.min(length, size - offset));
  let isVerified = verifier === undefined;
  const verify = () => {
    if (!isVerified) verifier?.finish();
    isVerified = true;
  };
  const read = async (buffer: Uint8Array<ArrayBuffer>): Promise<number> => {
    try {
      signal?.throwIfAborted();
      const room = buffer.subarray(0, Math.min(buffer.length, left));
      const count = left === 0 ? 0 : await file.read(room) ?? 0;
      if (count > 0) verifier?.update(room.subarray(0, count));
      left -= count;
      // A reader that expects a known length, such as an HTTP client, misses an error after the
      // last byte.
      if (left === 0 || count === 0) verify();
      return count;
    } catch (error) {
      if (error instanceof DigestMismatchError) onMismatch?.();
      throw error;
    }
  };
  const isOwnMemory = reuseMemory || freeMemory;
  const chunkBytes = isOwnMemory ? CHUNK_BYTES : Math.min(CHUNK_BYTES, Math.max(left, 1));
  const source = { read, close: () => file.close() };
  return byteStream(source, { chunkBytes, reuseMemory, freeMemory });
}
