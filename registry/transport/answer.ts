import { networkError, stallError } from "./network_failure.ts";

/** Most bytes of a chunk whose reader offers no memory for it. */
const CHUNK_BYTES = 65_536;

/** What an {@linkcode Answer} answers. */
export interface Asked {
  readonly url: URL;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
  readonly attempt: number;
  readonly signal: AbortSignal | undefined;
  readonly stallTimeoutMs: number;
}

/**
 * An HTTP response whose body may still have to come. Reading fails with a `NetworkError` when
 * the connection breaks or nothing comes for too long. Disposing of it ends the connection,
 * unless the body was read to its end.
 */
export class Answer implements Disposable {
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  /** Whether it comes from where a redirect led to. */
  redirected = false;
  readonly #asked: Asked;
  readonly #controller: AbortController;
  readonly #reader: BodyReader | undefined;
  readonly #held: Disposable[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #readingSince = 0;
  #isStalled = false;
  #isDone = false;

  /** `controller` is the one whose signal was given to `fetch`. */
  constructor(response: Response, asked: Asked, controller: AbortController) {
    this.url = asked.url;
    this.status = response.status;
    this.headers = response.headers;
    this.#asked = asked;
    this.#controller = controller;
    this.#reader = response.body === null ? undefined : bodyReader(response.body);
    this.#isDone = this.#reader === undefined;
  }

  /** Disposes of `resource` along with this answer. */
  hold(resource: Disposable): void {
    this.#held.push(resource);
  }

  /** The next bytes, or `undefined` at the end; what `memory` views may become theirs. */
  async read(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#reader === undefined || this.#isDone) return undefined;
    this.#readingSince = performance.now();
    // One timer for many chunks: to start one for each would cost more than the chunk. It must
    // not be unref'd: Deno 2.9 never fires such a timer while all it does is to wait for a read.
    this.#timer ??= setTimeout(this.#watch, this.#asked.stallTimeoutMs);
    try {
      const { done, value } = await this.#reader.read(memory ?? new Uint8Array(CHUNK_BYTES));
      if (!done) return value;
      this.#isDone = true;
      this.#stopTimer();
      return undefined;
    } catch (error) {
      this.#stopTimer();
      const { url, task, attempt, signal, stallTimeoutMs } = this.#asked;
      signal?.throwIfAborted();
      if (this.#isStalled) throw stallError(url, task, attempt, stallTimeoutMs);
      throw networkError(error, url, task, attempt);
    } finally {
      this.#readingSince = 0;
    }
  }

  [Symbol.dispose](): void {
    this.#stopTimer();
    if (!this.#isDone) {
      this.#isDone = true;
      this.#reader?.cancel().catch(() => {});
      this.#controller.abort();
    }
    for (const resource of this.#held.splice(0)) resource[Symbol.dispose]();
  }

  /** Ends the connection if a read has been waiting for too long; a slow reader is no stall. */
  #watch = (): void => {
    this.#timer = undefined;
    if (this.#readingSince === 0) return;
    const left = this.#readingSince + this.#asked.stallTimeoutMs - performance.now();
    if (left > 0) {
      this.#timer = setTimeout(this.#watch, left);
      return;
    }
    this.#isStalled = true;
    this.#controller.abort();
  };

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Reads a body into memory that is offered to it, if it can. */
type BodyReader = Pick<ReadableStreamBYOBReader, "cancel"> & {
  read(
    memory: Uint8Array<ArrayBuffer>,
  ): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>;
};

function bodyReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): BodyReader {
  try {
    return body.getReader({ mode: "byob" });
  } catch (error) {
    // A body that was made from a stream of other chunks, as those of tests are.
    if (error instanceof TypeError) return body.getReader();
    throw error;
  }
}
