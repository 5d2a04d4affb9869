import { DigestMismatchError } from "../../spec/errors.ts";
import type { Verifier } from "../../spec/verifier.ts";
import { openRegularFile } from "../host/open_regular_file.ts";

/** Large enough that a stage pays for bytes rather than for calls. */
const CHUNK_BYTES = 256 * 1024;

/** Options for {@linkcode openBlobStream}. */
export interface BlobStreamOptions {
  /** Where to begin. */
  readonly offset?: number | undefined;
  /** How many bytes at most; to the end if absent. */
  readonly length?: number | undefined;
  /** Whether a chunk is of no use to the reader any more once it reads the next one. */
  readonly reuseMemory?: boolean | undefined;
  /** Is shown each chunk before it is passed on, and the end before the last one is. */
  readonly verifier?: Verifier | undefined;
  /** Is told that the bytes are not those that the verifier expects. */
  readonly onMismatch?: (() => void) | undefined;
  /** Ends the reading with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Opens a file as a stream that reads when it is asked, and closes the file when it ends. */
export async function openBlobStream(
  path: string,
  options: BlobStreamOptions = {},
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { offset = 0, length = Infinity, reuseMemory, verifier, onMismatch, signal } = options;
  signal?.throwIfAborted();
  // A link would lead out of the store, or out of the layout that is read. Whose file it is does
  // not matter, as its digest is compared.
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
  let memory: ArrayBuffer | undefined;
  return new ReadableStream({
    async pull(controller) {
      try {
        signal?.throwIfAborted();
        if (memory === undefined || memory.detached) memory = new ArrayBuffer(CHUNK_BYTES);
        const buffer = new Uint8Array(memory, 0, Math.min(CHUNK_BYTES, left));
        if (!reuseMemory) memory = undefined;
        const count = left === 0 ? null : await file.read(buffer);
        if (count !== null) {
          const chunk = buffer.subarray(0, count);
          verifier?.update(chunk);
          left -= count;
          // Whoever counts on a length, as HTTP does, never hears of an error after the last byte.
          if (left === 0) verify();
          controller.enqueue(chunk);
          return;
        }
        verify();
      } catch (error) {
        file.close();
        if (error instanceof DigestMismatchError) onMismatch?.();
        controller.error(error);
        return;
      }
      file.close();
      controller.close();
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}
