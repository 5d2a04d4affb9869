import type { IncomingMessage } from "node:http";
import type { ClientConnection } from "./_client_connection.ts";

/** Number of bytes of a body to read ahead. */
const BUFFER_BYTES = 256 * 1024;

/**
 * The body of a request, as a stream that reads on demand. If the connection breaks, the stream
 * yields all bytes that have arrived before it fails: an upload continues after them.
 */
export class IncomingBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #incoming: IncomingMessage;
  readonly #connection: ClientConnection;
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  #bufferedBytes = 0;
  #isComplete = false;
  #isBroken = false;
  #isCanceled = false;
  /** Resumes a read that waits for the client. */
  #wake: () => void = () => {};

  /**
   * Creates the body of a request.
   *
   * @param onFirstRead Called before the first bytes are awaited.
   */
  constructor(incoming: IncomingMessage, connection: ClientConnection, onFirstRead: () => void) {
    this.#incoming = incoming;
    this.#connection = connection;
    let isRead = false;
    incoming.pause();
    incoming.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
      this.#add(chunk);
      if (this.#bufferedBytes > BUFFER_BYTES) incoming.pause();
    });
    incoming.once("end", () => {
      this.#isComplete = true;
      this.#changed();
    });
    const fail = () => this.#break();
    incoming.once("error", fail);
    incoming.once("close", fail);
    this.stream = new ReadableStream({
      pull: async (controller) => {
        if (!isRead) onFirstRead();
        isRead = true;
        await this.#pull(controller);
      },
      cancel: () => {
        this.#isCanceled = true;
        this.#chunks.length = 0;
        incoming.pause();
        this.#changed();
      },
    }, { highWaterMark: 0 });
  }

  /** Whether the whole body has arrived. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * Reads and discards the rest, up to a limit: a client that is still sending when its connection
   * is closed may never see the response.
   */
  async drain(maxBytes: number, timeoutMs: number): Promise<void> {
    const incoming = this.#incoming;
    if (incoming.socket.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    let count = 0;
    incoming.on("data", (chunk: Uint8Array) => {
      count += chunk.length;
      if (count > maxBytes) resolve();
    });
    incoming.once("end", resolve);
    incoming.socket.once("close", resolve);
    incoming.resume();
    await promise;
    clearTimeout(timer);
  }

  async #pull(
    controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    const incoming = this.#incoming;
    if (this.#chunks.length === 0 && !this.#isComplete && !this.#isBroken) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#connection.awaitData();
      incoming.resume();
      await promise;
    }
    if (this.#isCanceled) return;
    const chunk = this.#chunks.shift();
    if (chunk === undefined) {
      if (this.#isComplete) controller.close();
      else controller.error(new Error("The client closed the connection"));
      return;
    }
    controller.enqueue(chunk);
    this.#bufferedBytes -= chunk.length;
    if (this.#bufferedBytes <= BUFFER_BYTES) incoming.resume();
  }

  #add(chunk: Uint8Array<ArrayBuffer>): void {
    if (!this.#isCanceled) {
      this.#chunks.push(chunk);
      this.#bufferedBytes += chunk.length;
    }
    this.#changed();
  }

  #break(): void {
    if (this.#isComplete || this.#isBroken) return;
    // A paused request may hold bytes that it has not passed on.
    for (let chunk; (chunk = this.#incoming.read()) !== null;) this.#add(chunk);
    this.#isBroken = true;
    this.#changed();
  }

  #changed(): void {
    this.#connection.stopTimer();
    this.#wake();
  }
}
