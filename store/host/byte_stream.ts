/** Source of the bytes of a {@linkcode byteStream}. */
export interface ByteSource {
  /** Reads the next bytes into a buffer; returns their number, which is 0 only at the end. */
  read(buffer: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Called at the end, and after a failure. */
  close(): void;
  /** Called when the reader cancels the stream. */
  cancel(): void;
}

/**
 * Creates a stream that reads on demand: into the memory of a BYOB reader, which can use the same
 * memory for all bytes, or into new memory for each chunk.
 *
 * @param source Source of the bytes.
 * @param chunkBytes Maximum size of a chunk in new memory.
 */
export function byteStream(
  source: ByteSource,
  chunkBytes: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: chunkBytes,
    async pull(controller) {
      const view = controller.byobRequest?.view;
      if (!view) return;
      let count: number;
      try {
        count = await source.read(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      } catch (error) {
        source.close();
        throw error;
      }
      // The request is gone if the stream has been canceled meanwhile.
      if (controller.byobRequest === null) return;
      if (count === 0) {
        source.close();
        controller.close();
      }
      controller.byobRequest?.respond(count);
    },
    cancel: () => source.cancel(),
  });
}
