import { ByteWindow } from "./_byte_window.ts";

/** Number of unread bytes that makes the writer wait. */
const WINDOW_BYTES = 1_048_576;

/** Receives each chunk that the reader no longer needs. */
export type ReleaseChunk = (chunk: Uint8Array<ArrayBuffer>) => void;

/**
 * A stream with a writing side. It owns the chunks that are written to it, and releases each one when
 * the next one is read: at a gigabyte per second, waiting for the garbage collector would cost
 * hundreds of megabytes of memory.
 */
export class ByteQueue {
  /** The written chunks. Each one is valid until the next one is read. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #window = new ByteWindow(WINDOW_BYTES);
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #last: Uint8Array<ArrayBuffer> | undefined;
  #isClosed = false;
  #isCanceled = false;
  #arrival: PromiseWithResolvers<void> | undefined;
  #failure: { readonly reason: unknown } | undefined;
  readonly #release: ReleaseChunk;

  constructor(release: ReleaseChunk = freeMemory) {
    this.#release = release;
    this.readable = new ReadableStream({
      pull: (controller) => this.#pull(controller),
      cancel: () => this.#discard(),
    }, { highWaterMark: 0 });
  }

  /**
   * Writes a chunk. Chunks for a reader that has stopped are released at once.
   *
   * @returns Nothing, or a promise to await before the next call.
   */
  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    if (this.#isCanceled) return this.#release(chunk);
    this.#chunks.push(chunk);
    this.#arrival?.resolve();
    return this.#window.add(chunk.buffer.byteLength);
  }

  /** Ends the stream after the chunks that were written. */
  close(): void {
    this.#isClosed = true;
    this.#arrival?.resolve();
  }

  /** Fails the next read and discards unread chunks. */
  fail(reason: unknown): void {
    this.#failure = { reason };
    this.#arrival?.resolve();
    this.#window.clear();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    if (this.#last !== undefined) this.#release(this.#last);
    this.#last = undefined;
    while (this.#chunks.length === 0 && !this.#isClosed && this.#failure === undefined) {
      this.#arrival = Promise.withResolvers();
      await this.#arrival.promise;
    }
    if (this.#failure !== undefined) {
      this.#discard();
      throw this.#failure.reason;
    }
    this.#last = this.#chunks.shift();
    if (this.#last === undefined) return controller.close();
    this.#window.remove(this.#last.buffer.byteLength);
    controller.enqueue(this.#last);
  }

  #discard(): void {
    this.#isCanceled = true;
    const unread = this.#last === undefined ? this.#chunks : [this.#last, ...this.#chunks];
    this.#last = undefined;
    this.#chunks = [];
    for (const chunk of unread) this.#release(chunk);
    this.#window.clear();
  }
}

/** Frees the memory of a chunk at once. */
function freeMemory(chunk: Uint8Array<ArrayBuffer>): void {
  if (!chunk.buffer.detached) chunk.buffer.transfer(0);
}
