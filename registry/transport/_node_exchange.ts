import type { ClientRequest, IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import { present } from "../../spec/json.ts";
import { encodeLogin } from "../credentials.ts";
import type { BodyReader } from "../http1/body_reader.ts";
import type { ConnectionResponse } from "../http1/http_connection.ts";
import { isUploadSource, readWatched } from "../http1/upload_source.ts";
import { onAbort } from "../tasks/abortable.ts";
import type { HttpRequest, RequestParts, Route, Tls } from "./http_request.ts";

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
 * Sends a request with Node's client, which reaches every port and accepts trusted self-signed
 * certificates.
 */
export async function nodeExchange(
  { url, tls }: Pick<HttpRequest, "url" | "tls">,
  { proxy }: Route,
  parts: RequestParts,
): Promise<ConnectionResponse> {
  const { method, headers, signal } = parts;
  signal.throwIfAborted();
  const isTls = url.protocol === "https:";
  if (proxy !== undefined && (isTls || !proxy.url.startsWith("http:"))) {
    throw new Error("Deno cannot send this request through this proxy");
  }
  const { request: send } = isTls
    ? globalThis.process.getBuiltinModule("node:https")
    : globalThis.process.getBuiltinModule("node:http");
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = send({ method, ...target(url, headers, tls, proxy) }, resolve);
  const abort = () => void outgoing.destroy(new Error("the request was aborted"));
  const aborting = onAbort(signal, abort);
  outgoing.on("error", reject);
  outgoing.on("close", () => {
    aborting[Symbol.dispose]();
    reject(new Error("connection closed before the response"));
  });
  // A server may respond or close the connection before it has read the whole body.
  write(outgoing, parts).catch((error) => outgoing.destroy(error));
  return responseOf(await promise, method);
}

function target(
  url: URL,
  headers: Headers,
  tls: Tls,
  proxy: Route["proxy"],
): RequestOptions {
  const server = proxy === undefined ? url : new URL(proxy.url);
  const isTls = server.protocol === "https:";
  return {
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

async function write(
  outgoing: ClientRequest,
  { body, watchdog }: Pick<RequestParts, "body" | "watchdog">,
): Promise<void> {
  if (!isUploadSource(body)) {
    if (body !== null) outgoing.setHeader("content-length", body.length);
    outgoing.end(body ?? undefined);
    return;
  }
  outgoing.setHeader("content-length", body.size);
  for (let chunk; (chunk = await readWatched(body, watchdog)) !== undefined;) {
    if (outgoing.destroyed) return;
    // Node queues chunks that it has not sent, but their source may free their memory.
    if (!outgoing.write(chunk.slice())) await drained(outgoing);
  }
  outgoing.end();
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

function responseOf(incoming: IncomingMessage, method: string): ConnectionResponse {
  const { statusCode: status = 0, rawHeaders } = incoming;
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
  }
  if (method === "HEAD" || NULL_BODY_STATUSES.includes(status)) {
    incoming.resume();
    return { status, headers, body: undefined };
  }
  const chunks = incoming[Symbol.asyncIterator]();
  const body: BodyReader = {
    read: async () => {
      const { done, value } = await chunks.next();
      return done ? { done: true } : { done: false, value: new Uint8Array(value) };
    },
    cancel: () => Promise.resolve(void incoming.destroy()),
  };
  return { status, headers, body };
}
