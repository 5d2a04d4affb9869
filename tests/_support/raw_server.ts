import { toUint8Array, writeAll } from "./bytes.ts";
import { serveConnections } from "./connections.ts";

/** Deviations of a response from HTTP. */
export interface Wire {
  /** Number of bytes of the body after which the connection ends. */
  readonly cutAfter?: number;
  /** Number of bytes of the body after which nothing is sent; `-1` leaves out even the head. */
  readonly stallAfter?: number;
  /** Size of the pieces in which the body is sent. */
  readonly pieceSize?: number;
  /** Pause between two pieces, in milliseconds. */
  readonly pauseMs?: number;
  /** Whether the connection ends without a response. */
  readonly drop?: boolean;
}

/** A response as it is written. Its headers and its body may contradict each other. */
export interface RawResponse {
  readonly status: number;
  /** Without `content-length`, the body is sent in chunks. */
  readonly headers: Headers;
  /** Additional header lines, in which a name can occur twice. */
  readonly lines?: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly wire?: Wire;
}

export interface RawServerOptions {
  /**
   * Where to listen.
   *
   * @default A free port of `127.0.0.1`.
   */
  readonly address?: { readonly hostname: string; readonly port: number } | undefined;
  /** Certificate and key in PEM, for HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /**
   * Called with each request when it begins; the result is called with the number of bytes sent.
   */
  readonly onRequest?: (request: Request) => (response: RawResponse, bytesSent: number) => void;
}

/** A server on a free port of the loopback. Disposing of it ends all connections at once. */
export interface RawServer extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
}

/**
 * Serves HTTP/1.1 over plain TCP, so that a response can be as wrong as a test needs: `Deno.serve`
 * would correct lengths and end connections properly.
 */
export function serveRaw(
  handler: (request: Request) => Promise<RawResponse>,
  options: RawServerOptions = {},
): RawServer {
  const { tls, address = { hostname: "127.0.0.1", port: 0 } } = options;
  const listener: Deno.Listener<Deno.Conn> = tls
    ? Deno.listenTls({ ...address, ...tls })
    : Deno.listen(address);
  const host = `${address.hostname}:${(listener.addr as Deno.NetAddr).port}`;
  const url = `${tls ? "https" : "http"}://${host}`;
  const stop = new AbortController();
  const connections = serveConnections(listener, async (connection) => {
    // Each response is several writes: without this, each would wait for the client's delayed ACK.
    if ("setNoDelay" in connection) (connection as Deno.TcpConn).setNoDelay();
    await new Connection(connection, url, handler, options, stop.signal).run();
  });

  return {
    url,
    host,
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await connections[Symbol.asyncDispose]();
    },
  };
}

/** First byte from a client that speaks TLS. A server of plain HTTP ends the connection. */
const TLS_HANDSHAKE = 0x16;

class Connection {
  readonly #connection: Deno.Conn;
  readonly #url: string;
  readonly #handler: (request: Request) => Promise<RawResponse>;
  readonly #options: RawServerOptions;
  readonly #stop: AbortSignal;
  #pending = new Uint8Array();

  constructor(
    connection: Deno.Conn,
    url: string,
    handler: (request: Request) => Promise<RawResponse>,
    options: RawServerOptions,
    stop: AbortSignal,
  ) {
    this.#connection = connection;
    this.#url = url;
    this.#handler = handler;
    this.#options = options;
    this.#stop = stop;
  }

  async run(): Promise<void> {
    let request = await this.#readRequest();
    while (request !== undefined) {
      const onEnd = this.#options.onRequest?.(request);
      const response = await this.#handler(request);
      let bytesSent = 0;
      let inOrder: boolean;
      try {
        inOrder = await this.#write(request.method, response, (size) => bytesSent += size);
      } finally {
        onEnd?.(response, bytesSent);
      }
      if (!inOrder) return;
      request = await this.#readRequest();
    }
  }

  async #readRequest(): Promise<Request | undefined> {
    let end = -1;
    while ((end = headEnd(this.#pending)) < 0) {
      if (!await this.#more() || this.#pending[0] === TLS_HANDSHAKE) return undefined;
    }
    const [start = "", ...lines] = new TextDecoder().decode(this.#pending.subarray(0, end - 4))
      .split("\r\n");
    this.#pending = this.#pending.slice(end);
    const [method = "", path = ""] = start.split(" ");
    const headers = new Headers(lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }));
    const length = Number(headers.get("content-length") ?? "0");
    while (this.#pending.length < length) {
      if (!await this.#more()) return undefined;
    }
    const body = this.#pending.slice(0, length);
    this.#pending = this.#pending.slice(length);
    const hasBody = method !== "GET" && method !== "HEAD" && length > 0;
    return new Request(new URL(path, this.#url), {
      method,
      headers,
      body: hasBody ? body : null,
    });
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(16 * 1024);
    const read = await this.#connection.read(buffer);
    if (read === null) return false;
    const grown = new Uint8Array(this.#pending.length + read);
    grown.set(this.#pending);
    grown.set(buffer.subarray(0, read), this.#pending.length);
    this.#pending = grown;
    return true;
  }

  /** Writes a response. Returns whether the connection can serve another request. */
  async #write(
    method: string,
    response: RawResponse,
    onSent: (size: number) => void,
  ): Promise<boolean> {
    const { status, headers, lines = [], body, wire = {} } = response;
    const stream = body instanceof Uint8Array ? ReadableStream.from([body]) : body ?? null;
    try {
      if (wire.drop) return false;
      if (wire.stallAfter === -1) return await this.#stall();
      const bodiless = method === "HEAD" || status === 304 || status === 204;
      const length = headers.get("content-length");
      const chunked = length === null && !bodiless;
      const all = [
        ...headers,
        ...lines,
        ...chunked ? [["transfer-encoding", "chunked"] as const] : [],
      ];
      const head = all.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      await this.#send(toUint8Array(`HTTP/1.1 ${status} Status\r\n${head}\r\n`));
      if (bodiless) return true;
      const stopAt = Math.min(wire.cutAfter ?? Infinity, wire.stallAfter ?? Infinity);
      let sent = 0;
      for await (const piece of pieces(stream, wire.pieceSize)) {
        const part = piece.subarray(0, stopAt - sent);
        if (part.length > 0) {
          if (chunked) await this.#send(toUint8Array(`${part.length.toString(16)}\r\n`));
          await this.#send(part);
          if (chunked) await this.#send(toUint8Array("\r\n"));
          sent += part.length;
          onSent(part.length);
        }
        if (sent >= stopAt) break;
        if (wire.pauseMs !== undefined) await pause(wire.pauseMs, this.#stop);
      }
      if (wire.stallAfter !== undefined && sent >= wire.stallAfter) return await this.#stall();
      if (wire.cutAfter !== undefined && sent >= wire.cutAfter) return false;
      if (chunked) await this.#send(toUint8Array("0\r\n\r\n"));
      return chunked || Number(length) === sent;
    } finally {
      // Nothing else reads the rest or waits for its end.
      if (stream !== null && !stream.locked) stream.cancel().catch(() => {});
    }
  }

  async #send(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#connection, bytes);
  }

  /** Sends nothing until the client ends the connection, or the server is stopped. */
  async #stall(): Promise<false> {
    while (await this.#more());
    return false;
  }
}

function headEnd(bytes: Uint8Array): number {
  for (let i = 3; i < bytes.length; i++) {
    if (bytes[i] === 10 && bytes[i - 1] === 13 && bytes[i - 2] === 10 && bytes[i - 3] === 13) {
      return i + 1;
    }
  }
  return -1;
}

async function* pieces(
  stream: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  size: number | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of stream ?? []) {
    const step = size ?? Math.max(chunk.length, 1);
    for (let at = 0; at < chunk.length; at += step) yield chunk.subarray(at, at + step);
  }
}

/** Waits, and fails at once when the server ends. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = () => {
      clearTimeout(timer);
      reject(new Deno.errors.Interrupted("the server has ended"));
    };
    const timer = setTimeout(() => {
      stop.removeEventListener("abort", ended);
      resolve();
    }, ms);
    if (stop.aborted) ended();
    else stop.addEventListener("abort", ended, { once: true });
  });
}
