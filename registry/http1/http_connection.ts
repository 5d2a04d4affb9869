import { onAbort } from "../tasks/abortable.ts";
import { connect, type ConnectionTarget, isEnd } from "./_connect.ts";
import type { ResponseHead } from "./_response_head.ts";
import { cut, ResponseReader } from "./_response_reader.ts";
import type { BodyReader } from "./body_reader.ts";
import {
  isUploadSource,
  readWatched,
  type UploadSource,
  type UploadWatchdog,
} from "./upload_source.ts";

/** A request over a {@linkcode HttpConnection}. */
export interface ConnectionRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | UploadSource | null;
  readonly watchdog: UploadWatchdog;
  /** Closes the connection. */
  readonly signal: AbortSignal;
}

/** Maximum size of a body to send in one piece with the head. */
const JOINED_BYTES = 64 * 1024;

/** A response over a {@linkcode HttpConnection}. */
export interface ConnectionResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Body, unless it is empty. */
  readonly body: BodyReader | undefined;
}

/**
 * A connection to an HTTP/1.1 server, for one request at a time.
 *
 * It reads even while it is idle, so it notices when the server closes it or sends something
 * without a request.
 */
export class HttpConnection implements Disposable {
  readonly #socket: Deno.TcpConn | Deno.TlsConn;
  readonly #responses: ResponseReader;
  #next: Promise<ResponseHead>;
  /** Whether the next response has arrived, or the server has closed the connection. */
  #isSettled = false;
  /** Whether a request is in progress. */
  #isBusy = true;
  #isClosed = false;

  private constructor(socket: Deno.TcpConn | Deno.TlsConn) {
    this.#socket = socket;
    this.#responses = new ResponseReader(async (memory) => {
      try {
        return await socket.read(memory);
      } catch (error) {
        throw isEnd(error) ? cut() : error;
      } finally {
        // While idle, the server closes the connection or sends something without a request.
        if (!this.#isBusy) this[Symbol.dispose]();
      }
    });
    this.#next = this.#wait();
  }

  /** Connects to a server. */
  static async open(target: ConnectionTarget): Promise<HttpConnection> {
    return new HttpConnection(await connect(target));
  }

  /** Whether another request can be sent. */
  get isIdle(): boolean {
    return !this.#isClosed && !this.#isBusy && !this.#isSettled && !this.hasResponded;
  }

  /** Whether bytes have arrived after the last response. */
  get hasResponded(): boolean {
    return this.#responses.hasBegun;
  }

  /** Keeps the program alive while the connection is open, which is the default. */
  ref(): void {
    this.#socket.ref();
  }

  /** Lets the program end although the connection is open. */
  unref(): void {
    this.#socket.unref();
  }

  /**
   * Sends a request and waits for the head of the response, which may arrive before the server has
   * read the body.
   *
   * @param onFree Called when the response has been read and the connection can be reused.
   */
  async send(request: ConnectionRequest, onFree: () => void): Promise<ConnectionResponse> {
    const { signal, method } = request;
    this.#isBusy = true;
    const close = () => this[Symbol.dispose]();
    const aborting = onAbort(signal, close);
    const end = (isFree: boolean) => {
      aborting[Symbol.dispose]();
      if (!isFree) return close();
      this.#isBusy = false;
      this.#next = this.#wait();
      onFree();
    };
    try {
      const isSent = await this.#sendUntilAnswered(request);
      const head = await this.#next;
      const { status, headers } = head;
      this.#responses.begin(head, method);
      const isFree = isSent && this.#responses.isPersistent;
      if (!this.#responses.isAtEnd) return { status, headers, body: this.#body(isFree, end) };
      end(isFree);
      return { status, headers, body: undefined };
    } catch (error) {
      end(false);
      throw error;
    }
  }

  /**
   * Closes the connection. Over TLS, Deno keeps a socket with unsent bytes open until the server
   * reads them or closes the connection.
   */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  #wait(): Promise<ResponseHead> {
    this.#isSettled = false;
    const next = this.#responses.head();
    const settle = () => this.#isSettled = true;
    next.then(settle, settle);
    return next;
  }

  /** Sends the head and the body. Returns whether all was sent before the response arrived. */
  async #sendUntilAnswered(request: ConnectionRequest): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#sendAll(request).then(() => resolve(true), reject);
    this.#next.then(() => resolve(false), reject);
    return await promise;
  }

  async #sendAll(request: ConnectionRequest): Promise<void> {
    const { body, watchdog } = request;
    const head = headOf(request);
    if (!isUploadSource(body) && (body === null || body.length <= JOINED_BYTES)) {
      const bytes = new Uint8Array(head.length + (body?.length ?? 0));
      bytes.set(head);
      if (body !== null) bytes.set(body, head.length);
      return await this.#write(bytes, watchdog);
    }
    await this.#write(head, watchdog);
    if (!isUploadSource(body)) return await this.#write(body, watchdog);
    for (;;) {
      const chunk = await readWatched(body, watchdog);
      if (chunk === undefined) return;
      await this.#write(chunk, watchdog);
    }
  }

  async #write(bytes: Uint8Array<ArrayBuffer>, watchdog: UploadWatchdog): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      let size: number;
      try {
        size = await this.#socket.write(rest);
      } catch (error) {
        // A server may respond and close the connection before it has read the whole body. Its
        // response says more than the failure to write.
        await this.#next;
        throw error;
      }
      watchdog.resume();
      rest = rest.subarray(size);
    }
  }

  #body(isFree: boolean, end: (isFree: boolean) => void): BodyReader {
    const responses = this.#responses;
    let isOver = false;
    let failure: { readonly error: unknown } | undefined;
    const finish = (isFree: boolean) => {
      if (!isOver) end(isFree);
      isOver = true;
    };
    return {
      async read(memory) {
        // After a failure, another read must not look like the end of the body.
        if (failure !== undefined) throw failure.error;
        try {
          const value = isOver ? undefined : await responses.body(memory);
          if (responses.isAtEnd) finish(isFree);
          return value === undefined ? { done: true } : { done: false, value };
        } catch (error) {
          failure = { error };
          finish(false);
          throw error;
        }
      },
      cancel: () => Promise.resolve(finish(false)),
    };
  }
}

function headOf({ method, url, headers, body }: ConnectionRequest): Uint8Array<ArrayBuffer> {
  const size = isUploadSource(body) ? body.size : body?.length;
  // A server may wait for a body if there is no length.
  const length = size ?? (["GET", "HEAD", "DELETE"].includes(method) ? undefined : 0);
  const lines = [
    `${method} ${url.pathname}${url.search} HTTP/1.1`,
    `host: ${url.host}`,
    ...headers.has("accept") ? [] : ["accept: */*"],
    ...length === undefined ? [] : [`content-length: ${length}`],
    ...[...headers].map(([name, value]) => `${name}: ${value}`),
  ];
  return Uint8Array.from(`${lines.join("\r\n")}\r\n\r\n`, (char) => char.charCodeAt(0));
}
