import { toBytes } from "@std/streams";
import { concat, type Content, toUint8Array } from "./bytes.ts";
import { gzip } from "./compress.ts";
import type { Fault } from "./faulty_registry.ts";
import type { RawResponse, Wire } from "./raw_server.ts";

/** A response that the test provides. */
export function respond(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: Content = "",
): Fault {
  return () => plain(status, headers, body);
}

/** The same response, as a value rather than a fault. */
export function plain(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: Content = "",
): RawResponse {
  const bytes = toUint8Array(body);
  const all = new Headers({ "content-length": String(bytes.length), ...headers });
  return { status, headers: all, body: bytes };
}

/** An error as the distribution specification words it. */
export function registryError(status: number, code: string, message = "no"): Fault {
  const body = JSON.stringify({ errors: [{ code, message }] });
  return respond(status, { "content-type": "application/json" }, body);
}

/** 429 or 503, with the seconds or the date of `Retry-After`, if any. */
export function busy(status: 429 | 503, retryAfter?: number | string | Date): Fault {
  const value = retryAfter instanceof Date ? retryAfter.toUTCString() : retryAfter;
  return respond(status, value === undefined ? {} : { "retry-after": String(value) });
}

/** The error page of a proxy that cannot reach the registry. */
export function badGateway(): Fault {
  const page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
  return respond(502, { "content-type": "text/html" }, page);
}

/** Changes how the response is sent: cuts, stalls, trickles. */
export function wire(how: Wire): Fault {
  return async (_, next) => ({ ...await next(), wire: how });
}

/** Ends the connection after a number of bytes of the body of each response. */
export function cut(bytes: number): Fault {
  return wire({ cutAfter: bytes });
}

/**
 * Sends a number of bytes of the body, and then nothing; without a number, not even the head.
 *
 * @param onRequest Called with each request that stalls.
 */
export function stall(bytes = -1, onRequest: () => void = () => {}): Fault {
  const fault = wire({ stallAfter: bytes });
  return (...args) => {
    onRequest();
    return fault(...args);
  };
}

/** Sends the body a few bytes at a time. */
export function trickle(pieceSize: number, pauseMs: number): Fault {
  return wire({ pieceSize, pauseMs });
}

/** Ends the connection in place of a response. */
export function drop(): Fault {
  return wire({ drop: true });
}

/** Changes headers; `undefined` leaves one out. */
export function withHeaders(changes: Readonly<Record<string, string | undefined>>): Fault {
  return async (_, next) => {
    const response = await next();
    const headers = new Headers(response.headers);
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) headers.delete(name);
      else headers.set(name, value);
    }
    return { ...response, headers };
  };
}

/** Changes the status, and keeps the body. */
export function withStatus(status: number): Fault {
  return async (_, next) => ({ ...await next(), status });
}

/** Sends another digest in the header, or none if `undefined`. */
export function digestHeader(value: string | undefined): Fault {
  return withHeaders({ "docker-content-digest": value });
}

/** Claims a length that is off by `delta`, and keeps the body. */
export function wrongLength(delta: number): Fault {
  return async (request, next) => {
    const response = await next();
    const length = Number(response.headers.get("content-length")) + delta;
    return await withHeaders({ "content-length": String(length) })(
      request,
      () => Promise.resolve(response),
    );
  };
}

/** Replaces the bytes of the body, and the length with them unless `length` is `"keep"`. */
function rewriteBody(
  change: (bytes: Uint8Array<ArrayBuffer>, response: RawResponse) => Uint8Array<ArrayBuffer>,
  length: "true" | "keep" = "true",
): Fault {
  return async (request, next) => {
    const response = await next();
    if (request.method === "HEAD" || response.status >= 300) return response;
    const { body } = response;
    const bytes = body instanceof ReadableStream ? await toBytes(body) : body ?? new Uint8Array();
    const changed = change(bytes, response);
    const headers = new Headers(response.headers);
    if (length === "true") headers.set("content-length", String(changed.length));
    return { ...response, headers, body: changed };
  };
}

/** Sends surplus bytes, which the length includes. */
export function extraBytes(count = 1): Fault {
  return rewriteBody((bytes) => concat(bytes, new Uint8Array(count)));
}

/** Sends too few bytes, with a matching length. */
export function missingBytes(count = 1): Fault {
  return rewriteBody((bytes) => bytes.slice(0, Math.max(0, bytes.length - count)));
}

/** Corrupts one byte of the content, wherever the requested part begins. */
export function wrongByte(at = 0): Fault {
  return rewriteBody((bytes, { headers }) => {
    const start = Number(/^bytes (\d+)-/.exec(headers.get("content-range") ?? "")?.[1] ?? 0);
    const changed = bytes.slice();
    const byte = changed[at - start];
    if (byte !== undefined) changed[at - start] = byte ^ 0xff;
    return changed;
  });
}

/** Truncates the text after a number of bytes, with a matching length. */
export function truncated(bytes: number): Fault {
  return rewriteBody((all) => all.slice(0, bytes));
}

/** Compresses the body as an HTTP content coding, whether the client accepts it or not. */
export function gzipEncoded(): Fault {
  return contentEncoded("gzip", gzip);
}

/** Applies a content coding to the body, although the request forbids that. */
export function contentEncoded(
  coding: string,
  encode: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Fault {
  return async (request, next) =>
    await withHeaders({ "content-encoding": coding })(
      request,
      () => Promise.resolve(rewriteBody((bytes) => encode(bytes))(request, next)),
    );
}

/** Sends a JSON document that is padded to a size that no client should read. */
export function oversized(size: number): Fault {
  return rewriteBody((bytes) => {
    const large = new Uint8Array(size).fill(0x20);
    large.set(bytes.subarray(0, size));
    return large;
  });
}

/** Sends blanks endlessly, without a length. */
export function endless(): Fault {
  return async (_, next) => {
    const response = await next();
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(0x20)),
    });
    return { ...response, headers, body };
  };
}

/** Answers a request for a range with 200 and the whole content. */
export function ignoreRange(): Fault {
  return async (request, next) => {
    const headers = new Headers(request.headers);
    headers.delete("range");
    return await next(new Request(request, { headers }));
  };
}

/** Answers a request for a range with another one, `delta` bytes off, as `Content-Range` states. */
export function wrongRange(delta: number): Fault {
  return async (request, next) => {
    const first = /^bytes=(\d+)-/.exec(request.headers.get("range") ?? "")?.[1];
    if (first === undefined) return await next();
    const headers = new Headers(request.headers);
    headers.set("range", `bytes=${Math.max(0, Number(first) + delta)}-`);
    return await next(new Request(request, { headers }));
  };
}

/** Answers a request for a range with a wrong first byte in `Content-Range` only. */
export function wrongContentRange(delta: number): Fault {
  return async (_, next) => {
    const response = await next();
    const match = /^bytes (\d+)(-.*)$/.exec(response.headers.get("content-range") ?? "");
    if (match === null) return response;
    const headers = new Headers(response.headers);
    headers.set("content-range", `bytes ${Number(match[1]) + delta}${match[2]}`);
    return { ...response, headers };
  };
}

/** Answers 416 to a request for a range, even a valid one. */
export function refuseRange(size: number | "*" = "*"): Fault {
  return async (request, next) =>
    request.headers.has("range")
      ? plain(416, { "content-range": `bytes */${size}` })
      : await next();
}
