/**
 * Reads a stream to its end and hands each chunk on. The stream is cancelled if `take` fails or the
 * signal ends the reading.
 *
 * @param take Gives nothing, or what is to be awaited before the next chunk.
 */
export async function pour(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (chunk: Uint8Array<ArrayBuffer>) => void | Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const reader = stream.getReader();
  // Ends a read that waits, whatever the source makes of the signal.
  const abort = () => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) return;
      const pending = take(value);
      if (pending !== undefined) await pending;
    }
  } catch (error) {
    // The source may have failed itself; then there is nothing to cancel.
    await reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    reader.releaseLock();
  }
}
