import { type Proxy, withoutProxyVariables } from "./_proxy.ts";
import { isLoopback } from "./private_address.ts";
import type { ClientCertificate } from "../remote_client_options.ts";

/** How a server is trusted, and how it knows us. */
export interface Tls {
  /** Certificates in PEM that are trusted beside those that Deno trusts. */
  readonly caCerts: readonly string[];
  readonly clientCertificate?: ClientCertificate | undefined;
}

/** How requests get to a server. */
export interface Route {
  /** The proxy to go through; absent for a direct connection. */
  readonly proxy?: Proxy | undefined;
  /** The only address of the server to connect to, where its name has others that are refused. */
  readonly address?: string | undefined;
}

/** Whether a certificate is in PEM: Deno ignores everything else. */
const CERTIFICATE_MARK = "-----BEGIN CERTIFICATE-----";

/**
 * Creates a client for `fetch`.
 *
 * @param url A URL of the server. Only a client whose key differs from {@linkcode clientKey} needs
 * another one.
 * @throws {TypeError} If a certificate or the key is not PEM: Deno ignores some of that.
 */
export function createHttpClient(
  { caCerts, clientCertificate }: Tls,
  url: URL,
  route: Route,
): Deno.HttpClient {
  const certificates = [...caCerts, ...(clientCertificate ? [clientCertificate.cert] : [])];
  if (certificates.some((text) => !text.includes(CERTIFICATE_MARK))) {
    throw new TypeError(`Cannot use a certificate without "${CERTIFICATE_MARK}"`);
  }
  const options = {
    caCerts: [...caCerts],
    // One connection per blob: over HTTP/2 they would share one window, and 1 GiB over
    // loopback takes half as long again.
    http2: false,
    ...clientCertificate,
  };
  const { proxy, address } = route;
  try {
    if (proxy !== undefined) {
      const { login: basicAuth } = proxy;
      const through = {
        transport: "http",
        url: proxy.url,
        ...(basicAuth && { basicAuth }),
      } as const;
      return createDirectly({ ...options, proxy: through });
    }
    const direct = address === undefined ? {} : { proxy: socketOf(url, address) };
    return withoutProxyVariables(() => Deno.createHttpClient({ ...options, ...direct })) ??
      // Deno sends what is for this machine to the proxy of the environment too, passwords included.
      Deno.createHttpClient(isLoopback(url) ? { ...options, proxy: socketOf(url) } : options);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new TypeError(`Cannot use the certificates: ${(cause as Error).message}`, { cause });
  }
}

/** What of a request decides which client sends it. */
export function clientKey(tls: Tls, url: URL, { proxy, address }: Route): string {
  // A client that is bound to a socket serves one host.
  const host = address !== undefined || (proxy === undefined && isLoopback(url)) ? url.host : "";
  return JSON.stringify([tls.caCerts, tls.clientCertificate, proxy, address, host, url.protocol]);
}

function createDirectly(options: Deno.CreateHttpClientOptions): Deno.HttpClient {
  const create = () => Deno.createHttpClient(options);
  return withoutProxyVariables(create) ?? create();
}

function socketOf(url: URL, address = url.hostname): Deno.Proxy {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return { transport: "tcp", hostname: address, port: Number(port) };
}
