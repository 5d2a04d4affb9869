import { present } from "../../spec/json.ts";
import { certificateError, checkCertificates } from "../http1/certificate_error.ts";
import type { ConnectionResponse } from "../http1/connection_pool.ts";
import { isUploadSource } from "../http1/upload_source.ts";
import { withoutProxyVariables } from "./_proxy.ts";
import { bodyReader, uploadStream } from "./body_streams.ts";
import type { HttpRequest, RequestBody, RequestParts, Route, Tls } from "./http_request.ts";
import { isLoopback } from "./private_address.ts";
import type { Watchdog } from "./watchdog.ts";

/** Sends a request by `fetch`. */
export async function fetchExchange(
  url: URL,
  { body, watchdog, ...init }: RequestParts & { readonly client: Deno.HttpClient },
): Promise<ConnectionResponse> {
  const content = streamOf(body, watchdog);
  return received(await fetch(url, { ...init, body: content, redirect: "manual" }));
}

/** Sends a request by Node's client. */
export async function nodeExchange(
  { url, tls }: HttpRequest,
  { proxy }: Route,
  { body, watchdog, ...init }: RequestParts,
): Promise<ConnectionResponse> {
  const { nodeFetch } = await import("./_node_fetch.ts");
  const content = streamOf(body, watchdog);
  return received(await nodeFetch(url, { ...init, body: content, tls, proxy }));
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
  checkCertificates([...caCerts, ...(clientCertificate ? [clientCertificate.cert] : [])]);
  const options = {
    caCerts: [...caCerts],
    // Over HTTP/2, all blobs would share the flow-control window of one connection, and 1 GiB over
    // loopback would take 50 % longer.
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

function received({ status, headers, body }: Response): ConnectionResponse {
  return { status, headers, body: body === null ? undefined : bodyReader(body) };
}

/** Converts the source of an upload to a stream, which `fetch` sends without a length. */
function streamOf(body: RequestBody | null, watchdog: Watchdog) {
  return isUploadSource(body) ? uploadStream(body, watchdog) : body;
}

function socketOf(url: URL, address = url.hostname): Deno.Proxy {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return { transport: "tcp", hostname: address, port: Number(port) };
}
