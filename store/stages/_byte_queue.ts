/** So many bytes wait for their reader before the writer has to. */
const MAX_WAITING_BYTES = 1_048_576;

/** Is given each chunk when its reader is done with it. */
export type ReleaseChunk = (chunk: Uint8Array<ArrayBuffer>) => void;

/**
 * A stream that is written to from outside, with chunks that nobody else uses. The memory of each
 * is given back as soon as the reader asks for the next: at a gigabyte a second, waiting for the
 * garbage collector would cost hundreds of megabytes.
 */
export class ByteQueue {
  /** What has been written; a chunk is valid until the next one is read. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #waiting = 0;
  #last: Uint8Array<ArrayBuffer> | undefined;
  #isClosed = false;
  #isCancelled = false;
  #room: PromiseWithResolvers<void> | undefined;
  #arrival: PromiseWithResolvers<void> | undefined;
  #failure: { readonly reason: unknown } | undefined;
  readonly #release: ReleaseChunk;

  /** Starts empty. */
  constructor(release: ReleaseChunk = freeMemory) {
    this.#release = release;
    this.readable = new ReadableStream({
      pull: (controller) => this.#pull(controller),
      cancel: () => this.#cancel(),
    }, { highWaterMark: 0 });
  }

  /**
   * Writes a chunk, which is the queue's from then on.
   *
   * @returns Nothing, or what is to be awaited before the next one. A reader that has gone does
   * not keep the writer waiting.
   */
  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    if (this.#isCancelled) return this.#release(chunk);
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    this.#arrival?.resolve();
    if (this.#waiting <= MAX_WAITING_BYTES) return;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** There is no more. */
  close(): void {
    this.#isClosed = true;
    this.#arrival?.resolve();
  }

  /** What there would be will never come. */
  fail(reason: unknown): void {
    this.#failure = { reason };
    this.#arrival?.resolve();
    this.#room?.resolve();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    if (this.#last !== undefined) this.#release(this.#last);
    this.#last = undefined;
    while (this.#chunks.length === 0 && !this.#isClosed && this.#failure === undefined) {
      this.#arrival = Promise.withResolvers();
      await this.#arrival.promise;
    }
    if (this.#failure !== undefined) throw this.#failure.reason;
    this.#last = this.#chunks.shift();
    if (this.#last === undefined) return controller.close();
    this.#waiting -= this.#last.length;
    if (this.#waiting <= MAX_WAITING_BYTES / 2) {
      this.#room?.resolve();
      this.#room = undefined;
    }
    controller.enqueue(this.#last);
  }

  #cancel(): void {
    this.#isCancelled = true;
    const unread = this.#last === undefined ? this.#chunks : [this.#last, ...this.#chunks];
    for (const chunk of unread) this.#release(chunk);
    this.#last = undefined;
    this.#chunks = [];
    this.#room?.resolve();
  }
}

/** Gives the memory of a chunk back at once. */
function freeMemory(chunk: Uint8Array<ArrayBuffer>): void {
  if (!chunk.buffer.detached) chunk.buffer.transfer(0);
}
