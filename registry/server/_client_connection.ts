import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Semaphore } from "../tasks/semaphore.ts";

/** Factor by which the read timeout exceeds the send timeout: a client may be busy unpacking. */
const READING_FACTOR = 4;

/** Number of bytes of a body to read ahead. */
const BUFFER_BYTES = 256 * 1024;

/** The connection of a client, which is closed when it stalls. */
export class ClientConnection {
  #socket: Socket;
  readonly #idleTimeoutMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  /** Number of requests that have begun and not ended. */
  #requests = 0;
  readonly #turn = new Semaphore(1);

  /** Starts to watch a connection. */
  constructor(socket: Socket, idleTimeoutMs: number) {
    this.#socket = socket;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** Closes the connection unless its client sends a request, or more of a body, in time. */
  awaitData(): void {
    this.#start(this.#idleTimeoutMs);
  }

  /**
   * Begins a request. Under TLS, its socket differs from that of the connection.
   *
   * @returns Number of requests that have begun and not ended.
   */
  begin(socket: Socket): number {
    this.#socket = socket;
    this.stop();
    return ++this.#requests;
  }

  /**
   * Runs the tasks of requests one at a time, in order. A client may send any number of requests
   * without reading, and each would occupy an open file and a buffer.
   */
  async inTurn(task: () => Promise<void>): Promise<void> {
    await this.#turn.run(task);
  }

  /** Ends a request. The client may have sent the next one already. */
  end(): void {
    if (--this.#requests === 0) this.awaitData();
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

  /** Stops all timeouts permanently, because the connection has ended. */
  close(): void {
    this.#isClosed = true;
    this.stop();
  }

  /** Closes the connection. */
  destroy(): void {
    this.stop();
    this.#socket.destroy();
  }

  #start(ms: number): void {
    this.stop();
    // The client may have disconnected before the end of its last request is noticed.
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.destroy(), ms);
  }
}

/**
 * The body of a request, as a stream that reads on demand. If the connection breaks, the stream
 * yields all bytes that have arrived before it fails: an upload continues after them.
 */
export class HttpRequestBody {
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
    this.#connection.stop();
    this.#wake();
  }
}
