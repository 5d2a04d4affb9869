import type { ClientCertificate } from "../remote_client_options.ts";

/** How a server is trusted, and how it knows us. */
export interface Tls {
  /** Certificates in PEM that are trusted beside those that Deno trusts. */
  readonly caCerts: readonly string[];
  readonly clientCertificate?: ClientCertificate | undefined;
}

/**
 * Creates a client for `fetch`.
 *
 * @param direct The only server that it connects to, by plain HTTP and past every proxy.
 * @throws {TypeError} If a certificate or the key is not PEM: Deno ignores some of that.
 */
export function createHttpClient(
  { caCerts, clientCertificate }: Tls,
  direct?: URL,
): Deno.HttpClient {
  const certificates = [...caCerts, ...(clientCertificate ? [clientCertificate.cert] : [])];
  if (certificates.some((text) => !text.includes("-----BEGIN CERTIFICATE-----"))) {
    throw new TypeError('Cannot use a certificate without "-----BEGIN CERTIFICATE-----"');
  }
  try {
    return Deno.createHttpClient({
      caCerts: [...caCerts],
      // One connection per blob: over HTTP/2 they would share one window, and 1 GiB over
      // loopback takes half as long again.
      http2: false,
      ...clientCertificate,
      ...(direct && { proxy: socketOf(direct) }),
    });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new TypeError(`Cannot use the certificates: ${(cause as Error).message}`, { cause });
  }
}

function socketOf({ hostname, port }: URL): Deno.Proxy {
  return { transport: "tcp", hostname, port: Number(port || 80) };
}
