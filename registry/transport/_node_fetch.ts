import type { ClientRequest, IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import { present } from "../../spec/json.ts";
import { encodeLogin } from "../credentials.ts";
import { onAbort } from "../tasks/abortable.ts";
import type { Proxy } from "./_proxy.ts";
import type { Tls } from "./http_request.ts";

/** A request for {@linkcode nodeFetch}. */
export interface NodeRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly body: URLSearchParams | Uint8Array | ReadableStream<Uint8Array> | null;
  readonly signal: AbortSignal;
  readonly tls: Tls;
  readonly proxy: Proxy | undefined;
}

/** Statuses of responses without a body. */
const NULL_BODY_STATUSES = [204, 205, 304];

/** Returns whether Node's client may succeed after `fetch` has failed. */
export function suitsNode(error: unknown, { caCerts }: Tls): boolean {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = cause instanceof Error ? cause.message : "";
  // `fetch` rejects ports of other protocols and self-signed certificates.
  return /ports? [0-9]+ (?:are|is) blocked/i.test(text) ||
    (/CaUsedAsEndEntity/.test(text) && caCerts.length > 0);
}

/**
 * Sends a request like `fetch`, but with Node's client, which reaches every port and accepts
 * trusted self-signed certificates.
 */
export async function nodeFetch(url: URL, request: NodeRequest): Promise<Response> {
  const { method, body, signal, proxy } = request;
  signal.throwIfAborted();
  const isTls = url.protocol === "https:";
  if (proxy !== undefined && (isTls || !proxy.url.startsWith("http:"))) {
    throw new Error("Deno cannot send this request through this proxy");
  }
  const { request: send } = isTls
    ? globalThis.process.getBuiltinModule("node:https")
    : globalThis.process.getBuiltinModule("node:http");
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = send(optionsOf(url, request), resolve);
  const abort = () => void outgoing.destroy(new Error("the request was aborted"));
  const aborting = onAbort(signal, abort);
  outgoing.on("error", reject);
  outgoing.on("close", () => {
    aborting[Symbol.dispose]();
    reject(new Error("connection closed before the response"));
  });
  // A server may respond or close the connection before it has read the whole body.
  write(outgoing, body).catch((error) => outgoing.destroy(error));
  return responseOf(await promise, method);
}

function optionsOf(url: URL, { method, headers, tls, proxy }: NodeRequest): RequestOptions {
  const server = proxy === undefined ? url : new URL(proxy.url);
  const isTls = server.protocol === "https:";
  return {
    method,
    headers: {
      ...Object.fromEntries(headers),
      ...present({ "proxy-authorization": proxy?.login && `Basic ${encodeLogin(proxy.login)}` }),
      host: url.host,
    },
    // Connections are not reused, so none needs to be closed.
    agent: false,
    hostname: server.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: server.port || (isTls ? 443 : 80),
    path: proxy === undefined ? url.pathname + url.search : url.href,
    ...isTls && trust(tls),
    rejectUnauthorized: tls.unverified !== url.host,
  };
}

/** Returns all trusted certificates, because Node replaces its defaults with the given ones. */
function trust({ caCerts, clientCertificate }: Tls): RequestOptions {
  if (caCerts.length === 0) return { ...clientCertificate };
  const { rootCertificates } = globalThis.process.getBuiltinModule("node:tls");
  return { ca: [...rootCertificates, ...caCerts], ...clientCertificate };
}

async function write(outgoing: ClientRequest, body: NodeRequest["body"]): Promise<void> {
  if (body instanceof ReadableStream) {
    for await (const chunk of body) {
      if (outgoing.destroyed) return;
      // Node queues chunks that it has not sent, but their source may free their memory.
      if (!outgoing.write(chunk.slice())) await drained(outgoing);
    }
    outgoing.end();
    return;
  }
  if (body instanceof URLSearchParams) {
    outgoing.setHeader("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
  }
  const bytes = body instanceof URLSearchParams ? new TextEncoder().encode(String(body)) : body;
  if (bytes !== null) outgoing.setHeader("content-length", bytes.length);
  outgoing.end(bytes ?? undefined);
}

/** Waits until the buffer has room or the connection has closed. */
async function drained(outgoing: ClientRequest): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  outgoing.once("drain", resolve);
  outgoing.once("close", resolve);
  await promise;
  outgoing.off("drain", resolve);
  outgoing.off("close", resolve);
}

function responseOf(incoming: IncomingMessage, method: string): Response {
  const { statusCode: status = 0, rawHeaders } = incoming;
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
  }
  if (method === "HEAD" || NULL_BODY_STATUSES.includes(status)) {
    incoming.resume();
    return new Response(null, { status, headers });
  }
  const chunks = incoming[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
    cancel: () => void incoming.destroy(),
  }, { highWaterMark: 0 });
  return new Response(body, { status, headers });
}
