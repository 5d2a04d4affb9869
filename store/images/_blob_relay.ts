import type { ContentRange } from "../../registry/registry_content.ts";
import type { BlobFollower } from "../content/ingest.ts";

/**
 * Passes the bytes of a blob, or of a range of it, to a reader while they are stored. The last
 * chunk is held back until all bytes have been verified and stored, so that a reader that counts
 * bytes, such as an HTTP client, never accepts a corrupt blob as complete.
 */
export class BlobRelay implements BlobFollower {
  /** The bytes of the range. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Resolves when the first bytes have arrived. */
  readonly started: Promise<void>;
  readonly #offset: number;
  readonly #end: number;
  readonly #start: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #held: Uint8Array<ArrayBuffer> | undefined;
  #position = 0;
  #hasPassed = false;
  #isOver = false;
  #hasRoom: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  /**
   * Creates a relay for a range of a blob.
   *
   * @param range The range; the whole blob if `undefined`.
   * @param onCancel Called when the reader gives up.
   */
  constructor(range: ContentRange | undefined, onCancel: (reason: unknown) => void) {
    this.#offset = range?.offset ?? 0;
    this.#end = range === undefined ? Infinity : range.offset + range.length;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.started = promise;
    this.#start = resolve;
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#hasRoom.resolve(),
      cancel: (reason) => {
        this.#isOver = true;
        this.#hasRoom.resolve();
        onCancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  /** Receives the next bytes of the blob. */
  async write(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    const at = this.#position;
    this.#position += chunk.length;
    this.#start();
    const part = chunk.subarray(
      Math.max(0, this.#offset - at),
      Math.max(0, Math.min(chunk.length, this.#end - at)),
    );
    if (part.length === 0) return;
    const ready = this.#held;
    this.#held = part;
    if (ready !== undefined) await this.#pass(ready);
  }

  /** Called when all bytes are verified and about to be stored. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Passes on the last chunk after the blob has been stored. */
  async finish(): Promise<void> {
    if (this.#held !== undefined) await this.#pass(this.#held);
    if (!this.#isOver) this.#controller?.close();
    this.#isOver = true;
  }

  /** Restarts at the first byte. Rejects if bytes have already been passed on. */
  restart(): Promise<void> {
    this.#position = 0;
    this.#held = undefined;
    if (!this.#hasPassed) return Promise.resolve();
    return Promise.reject(new Error("Cannot take back bytes that were passed on"));
  }

  /** Ends the stream with an error unless it has already ended. */
  fail(error: unknown): void {
    if (!this.#isOver) this.#controller?.error(error);
    this.#isOver = true;
  }

  async #pass(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#hasRoom.promise;
    if (this.#isOver) return;
    this.#hasRoom = Promise.withResolvers();
    this.#hasPassed = true;
    this.#controller?.enqueue(chunk);
  }
}
