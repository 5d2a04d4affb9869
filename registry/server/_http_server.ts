import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { problemOf } from "../../spec/error_facts.ts";
import { bodyReader } from "../http1/body_reader.ts";
import { ClientConnection } from "./_client_connection.ts";
import { IncomingBody } from "./_incoming_body.ts";
import { invalidRequest, unknownCoding } from "./_server_response.ts";

export interface HttpServerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Time after which a stalled connection is closed, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** Maximum number of connections; further ones are closed at once. */
  readonly maxConnections: number;
}

/** A listening server. */
export interface HttpServer {
  readonly address: { readonly hostname: string; readonly port: number };
  /** Resolves when the server has stopped. */
  readonly finished: Promise<void>;
  /** Closes all connections. */
  stop(): void;
}

/** Name or address with an optional port. */
const HOST_REGEXP = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]*)?$/i;
/** Size of the buffer for the bodies of responses. */
const BUFFER_BYTES = 256 * 1024;
/** Maximum number of requests of a connection that wait for the response to the first one. */
const MAX_WAITING_REQUESTS = 100;
/** Limits for reading and discarding the rest of an unwanted body. */
const DRAIN_BYTES = 1024 * 1024;
const DRAIN_MS = 2_000;

/**
 * Starts an HTTP/1.1 server.
 *
 * It is Node's server: Deno's own has no way to close an idle connection.
 *
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 * @throws {Deno.errors.InvalidData} If the certificate or the key is invalid.
 */
export async function startHttpServer(
  options: HttpServerOptions,
  handler: (request: Request) => Promise<Response>,
): Promise<HttpServer> {
  const { hostname, port, cert, key, idleTimeoutMs, maxConnections } = options;
  tryListening(options);
  const isSecure = cert !== undefined && key !== undefined;
  const server: Server = isSecure
    ? globalThis.process.getBuiltinModule("node:https").createServer({ cert, key })
    : globalThis.process.getBuiltinModule("node:http").createServer();
  // A server that runs out of file descriptors stops accepting connections for good.
  server.maxConnections = maxConnections;
  const connections = new Map<string, ClientConnection>();
  const running = new Set<Promise<void>>();
  server.on("connection", (socket: Socket) => {
    const connection = new ClientConnection(socket, idleTimeoutMs);
    const name = nameOf(socket);
    connections.set(name, connection);
    connection.awaitData();
    socket.once("close", () => {
      connection.onClose();
      connections.delete(name);
    });
  });
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const connection = connections.get(nameOf(incoming.socket));
    if (connection === undefined) return incoming.socket.destroy();
    const count = connection.beginRequest(incoming.socket);
    if (count > MAX_WAITING_REQUESTS) return connection.destroy();
    const exchange = new Exchange(incoming, outgoing, connection, isSecure ? "https" : "http");
    const task = connection.inTurn(() => exchange.run(handler)).catch(() => connection.destroy())
      .finally(() => running.delete(task));
    running.add(task);
  };
  server.on("request", answer);
  server.on("checkContinue", answer);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  server.once("close", resolve);
  await listen(server, hostname, port);
  const address = server.address() as AddressInfo;
  return {
    address: { hostname: address.address, port: address.port },
    finished: closed.then(async () => {
      await Promise.all(running);
    }),
    stop: () => {
      server.close();
      for (const connection of connections.values()) connection.destroy();
    },
  };
}

/** Listens once with Deno, whose errors for addresses, certificates and permissions are precise. */
function tryListening({ hostname, port, cert, key }: HttpServerOptions): void {
  Deno.listen({ hostname, port }).close();
  if (cert === undefined || key === undefined) return;
  try {
    Deno.listenTls({ hostname, port, cert, key }).close();
  } catch (cause) {
    const isUnnamed = cause instanceof Error && cause.name === "Error";
    // Deno has no class for errors of damaged certificates and of keys that do not match.
    throw isUnnamed ? new Deno.errors.InvalidData(problemOf(cause), { cause }) : cause;
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  await promise;
  server.off("error", reject);
}

/** Names a connection by its peer, which both sockets of a TLS connection have. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** One request and its response. */
class Exchange {
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #connection: ClientConnection;
  readonly #scheme: string;
  #body: IncomingBody | undefined;

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    connection: ClientConnection,
    scheme: string,
  ) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#connection = connection;
    this.#scheme = scheme;
  }

  async run(handler: (request: Request) => Promise<Response>): Promise<void> {
    // The client has disconnected while the request waited.
    if (this.#incoming.socket.destroyed) return;
    const request = this.#request();
    const { "transfer-encoding": coding = "chunked" } = this.#incoming.headers;
    const response = coding.toLowerCase() !== "chunked"
      ? unknownCoding(coding)
      : request === undefined
      ? invalidRequest()
      : await handler(request);
    const outgoing = this.#outgoing;
    const isUnread = this.#body !== undefined && !this.#body.isComplete;
    for (const [name, value] of response.headers) outgoing.setHeader(name, value);
    if (isUnread) outgoing.setHeader("connection", "close");
    outgoing.writeHead(response.status);
    await this.#send(response.body);
    if (isUnread) {
      await this.#body?.drain(DRAIN_BYTES, DRAIN_MS);
      this.#connection.destroy();
    } else if (!outgoing.destroyed || outgoing.writableFinished) {
      this.#connection.endRequest();
    }
  }

  /** Returns the request; `undefined` if its method, host or target is invalid. */
  #request(): Request | undefined {
    const incoming = this.#incoming;
    const { method = "GET", url: target = "/", rawHeaders } = incoming;
    const { localAddress = "", localPort } = incoming.socket;
    const local = `${localAddress.includes(":") ? `[${localAddress}]` : localAddress}:${localPort}`;
    const headers = new Headers();
    try {
      for (let i = 1; i < rawHeaders.length; i += 2) {
        headers.append(rawHeaders[i - 1] ?? "", rawHeaders[i] ?? "");
      }
      // Several hosts are joined with a comma, and refused: programs disagree on which one counts.
      const host = headers.get("host") || local;
      const isAbsolute = /^https?:\/\//i.test(target);
      // Otherwise, the header could contain the start of the path.
      const isValid = (isAbsolute || target.startsWith("/")) && HOST_REGEXP.test(host);
      if (!isValid) return undefined;
      if (method !== "GET" && method !== "HEAD" && hasBody(incoming)) {
        this.#body = new IncomingBody(incoming, this.#connection, () => {
          if (headers.has("expect")) this.#outgoing.writeContinue();
        });
      }
      const url = isAbsolute ? target : `${this.#scheme}://${host}${target}`;
      return new Request(url, { method, headers, body: this.#body?.stream ?? null });
    } catch (error) {
      if (error instanceof TypeError) return undefined;
      throw error;
    }
  }

  /** Sends a body as fast as the client reads it, with one buffer for all bytes if possible. */
  async #send(body: ReadableStream<Uint8Array<ArrayBuffer>> | null): Promise<void> {
    const outgoing = this.#outgoing;
    const reader = body === null ? undefined : bodyReader(body);
    const closed = () => void reader?.cancel().catch(() => {});
    outgoing.once("close", closed);
    // The client may have disconnected before the response was ready.
    if (outgoing.destroyed) closed();
    try {
      let memory = new Uint8Array(reader === undefined ? 0 : BUFFER_BYTES);
      while (reader !== undefined) {
        const { done, value } = await reader.read(memory);
        if (outgoing.destroyed) return;
        if (done) break;
        if (!await this.#sent((sent) => outgoing.write(value, sent))) return;
        // A BYOB reader returns the buffer with the bytes.
        memory = new Uint8Array(value.buffer);
      }
      await this.#sent((sent) => outgoing.end(sent));
    } finally {
      outgoing.off("close", closed);
    }
  }

  /** Sends something and waits until the client has it; returns `false` if it has disconnected. */
  async #sent(send: (sent: () => void) => void): Promise<boolean> {
    const outgoing = this.#outgoing;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const gone = () => resolve(false);
    this.#connection.awaitReading();
    outgoing.once("close", gone);
    send(() => resolve(!outgoing.destroyed || outgoing.writableFinished));
    if (outgoing.destroyed) gone();
    try {
      return await promise;
    } finally {
      this.#connection.stopTimer();
      outgoing.off("close", gone);
    }
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
