import { onAbort } from "../../registry/tasks/abortable.ts";

/**
 * Reads a stream to its end, chunk by chunk. Cancels the stream if `take` fails or the signal is
 * aborted.
 *
 * @param take Called with each chunk; a returned promise is awaited before the next chunk.
 */
export async function readChunks(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (chunk: Uint8Array<ArrayBuffer>) => void | Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const reader = stream.getReader();
  // End a pending read even if the source ignores the signal.
  using _abort = onAbort(signal, () => void reader.cancel(signal?.reason).catch(() => {}));
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) return;
      const pending = take(value);
      if (pending !== undefined) await pending;
    }
  } catch (error) {
    // If the source itself failed, there is nothing to cancel.
    await reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    reader.releaseLock();
  }
}
