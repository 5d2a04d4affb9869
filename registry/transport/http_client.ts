import { present } from "../../spec/json.ts";
import { certificateError, checkCertificates } from "../http1/certificate_error.ts";
import { type Proxy, withoutProxyVariables } from "./_proxy.ts";
import { isLoopback } from "./private_address.ts";
import type { ClientCertificate, HostCertificates } from "../remote_client_options.ts";

/** Trusted certificates, and the client certificate. */
export interface Tls {
  /** Additional trusted certificates, in PEM. */
  readonly caCerts: readonly string[];
  readonly clientCertificate?: ClientCertificate | undefined;
  /** Reads the certificates that a file names for the server; called for each request. */
  readonly ofFile?: (() => Promise<HostCertificates>) | undefined;
  /** Host, with its port, whose certificate is not verified. */
  readonly unverified?: string | undefined;
}

/** Route to a server. */
export interface Route {
  /** Proxy; absent for a direct connection. */
  readonly proxy?: Proxy | undefined;
  /** Only address to connect to, if other addresses of the name are unsafe. */
  readonly address?: string | undefined;
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

function socketOf(url: URL, address = url.hostname): Deno.Proxy {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return { transport: "tcp", hostname: address, port: Number(port) };
}
