import { type FailedRequest, networkError } from "./network_failure.ts";
import type { Watchdog } from "./watchdog.ts";

/** Most bytes of a chunk whose reader offers no memory for it. */
const CHUNK_BYTES = 65_536;

/** A response as a client returns it: the head, and a body to read. */
export interface AnswerParts {
  readonly status: number;
  readonly headers: Headers;
  /** The body; absent if there is none. */
  readonly body: BodyReader | undefined;
  /** Ends the connection. */
  readonly close: () => void;
}

/**
 * An HTTP response whose body may still have to come. Reading fails with a `NetworkError` when
 * the connection breaks or nothing comes for too long, and with the signal's reason when the caller
 * aborts. Disposing of it ends the connection, unless the body was read to its end.
 */
export class Answer implements Disposable {
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  /** Whether it comes from where a redirect led to. */
  redirected = false;
  /** The request, for errors. */
  readonly request: FailedRequest;
  readonly #parts: AnswerParts;
  readonly #watchdog: Watchdog;
  readonly #held: Disposable[] = [];
  #isDone = false;

  /** Takes over `watchdog`, and calls `close` if the body is not read to its end. */
  constructor(parts: AnswerParts, asked: FailedRequest, watchdog: Watchdog) {
    this.url = asked.url;
    this.status = parts.status;
    this.headers = parts.headers;
    this.request = asked;
    this.#parts = parts;
    this.#watchdog = watchdog;
    if (parts.body === undefined) this.#end();
  }

  /** Disposes of `resource` along with this answer. */
  hold(resource: Disposable): void {
    this.#held.push(resource);
  }

  /** The next bytes, or `undefined` at the end; what `memory` views may become theirs. */
  async read(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { body } = this.#parts;
    if (body === undefined || this.#isDone) return undefined;
    try {
      const { done, value } = await this.#watchdog.wait(
        body.read(memory ?? new Uint8Array(CHUNK_BYTES)),
      );
      if (!done) return value;
      this.#end();
      return undefined;
    } catch (error) {
      if (this.#watchdog.hasGivenUp) throw error;
      this.#watchdog[Symbol.dispose]();
      throw networkError(error, this.request);
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isDone) {
      this.#end();
      this.#parts.close();
    }
    for (const resource of this.#held.splice(0)) resource[Symbol.dispose]();
  }

  #end(): void {
    this.#isDone = true;
    this.#watchdog[Symbol.dispose]();
  }
}

/** Reads a body into memory that is offered to it, if it can. */
export type BodyReader = Pick<ReadableStreamBYOBReader, "cancel"> & {
  read(
    memory: Uint8Array<ArrayBuffer>,
  ): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>;
};

/** Makes a {@linkcode BodyReader} of a stream. */
export function bodyReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): BodyReader {
  try {
    return body.getReader({ mode: "byob" });
  } catch (error) {
    // A body that was made from a stream of other chunks, as those of tests are.
    if (error instanceof TypeError) return body.getReader();
    throw error;
  }
}
