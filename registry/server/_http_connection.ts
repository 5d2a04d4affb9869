import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** Factor by which the read timeout exceeds the send timeout: a client may be busy unpacking. */
const READING_FACTOR = 4;

/** Number of bytes of a body to read ahead. */
const BUFFER_BYTES = 256 * 1024;

/** A client connection, which is closed when it stalls. */
export class HttpConnection {
  #socket: Socket;
  readonly #idleTimeoutMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Number of requests that have begun and not ended. */
  #requests = 0;

  /** Starts to watch a connection. */
  constructor(socket: Socket, idleTimeoutMs: number) {
    this.#socket = socket;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** Closes the connection unless its client sends a request in time. */
  awaitRequest(): void {
    this.#start(this.#idleTimeoutMs);
  }

  /** Begins a request. Its socket differs from that of the connection under TLS. */
  begin(socket: Socket): void {
    this.#socket = socket;
    this.#requests++;
    this.stop();
  }

  /** Ends a request. A client may have sent the next one before. */
  end(): void {
    if (--this.#requests === 0) this.awaitRequest();
  }

  /** Closes the connection unless the client sends the next part of a body in time. */
  awaitBody(): void {
    this.#start(this.#idleTimeoutMs);
  }

  /** Closes the connection unless the client reads in time. */
  awaitReading(): void {
    this.#start(this.#idleTimeoutMs * READING_FACTOR);
  }

  /** Stops the timeout. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Closes the connection. */
  destroy(): void {
    this.stop();
    this.#socket.destroy();
  }

  #start(ms: number): void {
    this.stop();
    this.#timer = setTimeout(() => this.destroy(), ms);
  }
}

/** The body of a request, as a stream that reads on demand. */
export class HttpRequestBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #incoming: IncomingMessage;
  #isComplete = false;

  /**
   * Creates the body of a request.
   *
   * @param incoming The request.
   * @param connection Its connection.
   * @param onFirstRead Called before the first bytes are awaited.
   */
  constructor(incoming: IncomingMessage, connection: HttpConnection, onFirstRead: () => void) {
    this.#incoming = incoming;
    let isOver = false;
    let isRead = false;
    this.stream = new ReadableStream({
      start: (controller) => {
        incoming.pause();
        incoming.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
          connection.stop();
          if (isOver) return;
          controller.enqueue(chunk);
          if ((controller.desiredSize ?? 0) <= -BUFFER_BYTES) incoming.pause();
        });
        incoming.once("end", () => {
          connection.stop();
          this.#isComplete = true;
          if (!isOver) controller.close();
          isOver = true;
        });
        const fail = () => {
          connection.stop();
          if (!isOver) controller.error(new Error("The client closed the connection"));
          isOver = true;
        };
        incoming.once("error", fail);
        incoming.once("close", fail);
      },
      pull: () => {
        if (!isRead) onFirstRead();
        isRead = true;
        connection.awaitBody();
        incoming.resume();
      },
      cancel: () => {
        isOver = true;
        connection.stop();
        incoming.pause();
      },
    }, { highWaterMark: 0, size: ({ length }) => length });
  }

  /** Whether the whole body has arrived. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * Reads and discards the rest, up to a limit: a client that is still sending when its
   * connection is closed may never see the response.
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
}
