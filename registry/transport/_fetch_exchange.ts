import { present } from "../../spec/json.ts";
import { bodyReader } from "../http1/body_reader.ts";
import { certificateError, checkCertificates } from "../http1/certificate_error.ts";
import type { ConnectionResponse } from "../http1/http_connection.ts";
import { isUploadSource, readWatched, type UploadSource } from "../http1/upload_source.ts";
import { withoutProxyVariables } from "./_proxy.ts";
import type { Watchdog } from "./_watchdog.ts";
import type { RequestParts, Route, Tls } from "./http_request.ts";
import { isLoopback } from "./private_address.ts";

/** Sends a request by `fetch`. */
export async function fetchExchange(
  url: URL,
  { body: content, watchdog, ...init }: RequestParts & { readonly client: Deno.HttpClient },
): Promise<ConnectionResponse> {
  // `fetch` sends a stream without a length.
  const upload = isUploadSource(content) ? uploadStream(content, watchdog) : content;
  const response = await fetch(url, { ...init, body: upload, redirect: "manual" });
  const { status, headers, body } = response;
  return { status, headers, body: body === null ? undefined : bodyReader(body) };
}

/** Creates the stream of a body for `fetch`. Copies chunks, because `fetch` queues unsent ones. */
function uploadStream(
  source: UploadSource,
  watchdog: Watchdog,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let last: Uint8Array<ArrayBuffer> | undefined;
  return new ReadableStream({
    async pull(controller) {
      const chunk = await readWatched(source, watchdog);
      // Frees memory that `fetch` no longer needs, earlier than the garbage collector would.
      if (last?.buffer.detached === false) last.buffer.transfer(0);
      last = chunk?.slice();
      if (last === undefined) controller.close();
      else controller.enqueue(last);
    },
    cancel: () => source.cancel(),
  }, { highWaterMark: 0 });
}

/** Transports of proxies, by the protocols of their URLs. */
const TRANSPORTS: Readonly<Record<string, "http" | "https" | "socks5">> = {
  "http:": "http",
  "https:": "https",
  "socks5:": "socks5",
  "socks5h:": "socks5",
};

/**
 * Creates a client for `fetch`.
 *
 * @param url URL of the server. Requests with the same {@linkcode clientKey} can share a client.
 * @throws {TypeError} If a certificate or the key is not PEM. Deno itself ignores some of these.
 */
export function createHttpClient(
  { caCerts, clientCertificate }: Tls,
  url: URL,
  route: Route,
): Deno.HttpClient {
  checkCertificates(caCerts, clientCertificate);
  const options = {
    caCerts: [...caCerts],
    // Over HTTP/2, all blobs would share the flow-control window of one connection, and 1 GiB over
    // loopback would take 50% longer.
    http2: false,
    ...clientCertificate,
  };
  const { proxy, address } = route;
  try {
    if (proxy !== undefined) {
      const { url: address, login: basicAuth } = proxy;
      const transport = TRANSPORTS[new URL(address).protocol] ?? "http";
      const through = { transport, url: address, ...present({ basicAuth }) };
      const create = () => Deno.createHttpClient({ ...options, proxy: through });
      return withoutProxyVariables(create) ?? create();
    }
    const direct = address === undefined ? {} : { proxy: socketOf(url, address) };
    return withoutProxyVariables(() => Deno.createHttpClient({ ...options, ...direct })) ??
      // Deno would also send requests to this machine through the proxy, including passwords.
      Deno.createHttpClient(isLoopback(url) ? { ...options, proxy: socketOf(url) } : options);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw certificateError(cause);
  }
}

/** Returns the key of the client for a request. */
export function clientKey(tls: Tls, url: URL, { proxy, address }: Route): string {
  // A client bound to a socket serves one host.
  const host = address !== undefined || (proxy === undefined && isLoopback(url)) ? url.host : "";
  return JSON.stringify([tls.caCerts, tls.clientCertificate, proxy, address, host, url.protocol]);
}

function socketOf(url: URL, address = url.hostname): Deno.Proxy {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return { transport: "tcp", hostname: address, port: Number(port) };
}
