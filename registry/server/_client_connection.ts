import type { Socket } from "node:net";
import { Semaphore } from "../tasks/semaphore.ts";

/** Factor by which the read timeout exceeds the send timeout: a client may be busy unpacking. */
const READING_FACTOR = 4;

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
  beginRequest(socket: Socket): number {
    this.#socket = socket;
    this.stopTimer();
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
  endRequest(): void {
    if (--this.#requests === 0) this.awaitData();
  }

  /** Closes the connection unless the client reads in time. */
  awaitReading(): void {
    this.#start(this.#idleTimeoutMs * READING_FACTOR);
  }

  /** Stops the timeout. */
  stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Called when the connection has ended. Stops all timeouts permanently. */
  onClose(): void {
    this.#isClosed = true;
    this.stopTimer();
  }

  /** Closes the connection. */
  destroy(): void {
    this.stopTimer();
    this.#socket.destroy();
  }

  #start(ms: number): void {
    this.stopTimer();
    // The client may have disconnected before the end of its last request is noticed.
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.destroy(), ms);
  }
}
