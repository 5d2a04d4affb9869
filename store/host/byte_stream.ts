/** Source of bytes for {@linkcode byteStream}. */
export interface ByteSource {
  /** Reads bytes into a buffer. Returns their number, which is 0 only at the end. */
  read(buffer: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Called at the end, after a failure, and when the reader cancels the stream. */
  close?(): void;
  /** Called instead of `close` when the reader cancels the stream. */
  cancel?(): void;
}

export interface ByteStreamOptions {
  readonly chunkBytes: number;
  /** Whether the memory of a chunk may be reused once the reader requests the next chunk. */
  readonly reuseMemory?: boolean | undefined;
  /** Whether to free the memory of a chunk when the next one is read. */
  readonly freeMemory?: boolean | undefined;
}

/**
 * Creates a stream that reads on demand. A BYOB reader supplies the memory. For other readers, each
 * chunk has separate memory unless an option says otherwise.
 */
export function byteStream(
  source: ByteSource,
  { chunkBytes, reuseMemory = false, freeMemory = false }: ByteStreamOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  if (reuseMemory || freeMemory) return ownMemoryStream(source, chunkBytes, freeMemory);
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: chunkBytes,
    async pull(controller) {
      const view = controller.byobRequest?.view;
      if (!view) return;
      const buffer = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      const count = await readOrClose(source, buffer);
      // If the stream was canceled during the read, the request no longer exists.
      if (controller.byobRequest === null) return;
      if (count === 0) controller.close();
      controller.byobRequest?.respond(count);
    },
    cancel: () => cancel(source),
  });
}

/** Creates a stream that reuses the memory of a chunk, or frees it, when the next one is read. */
function ownMemoryStream(
  source: ByteSource,
  chunkBytes: number,
  freeMemory: boolean,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let memory: ArrayBuffer | undefined;
  return new ReadableStream({
    async pull(controller) {
      if (freeMemory && memory?.detached === false) memory.transfer(0);
      if (memory === undefined || memory.detached) memory = new ArrayBuffer(chunkBytes);
      const buffer = new Uint8Array(memory);
      const count = await readOrClose(source, buffer);
      if (count === 0) controller.close();
      else controller.enqueue(buffer.subarray(0, count));
    },
    cancel: () => cancel(source),
  }, { highWaterMark: 0 });
}

/** Reads the next bytes. Closes the source at the end and after a failure. */
async function readOrClose(source: ByteSource, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
  let count = 0;
  try {
    count = await source.read(buffer);
    return count;
  } finally {
    if (count === 0) source.close?.();
  }
}

function cancel(source: ByteSource): void {
  if (source.cancel === undefined) source.close?.();
  else source.cancel();
}
