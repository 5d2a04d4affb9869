/** How long a handshake may take: who does not speak TLS may wait for the rest of a request. */
const HANDSHAKE_TIMEOUT_MS = 2_000;

/** Options of {@linkcode speaksTls}. */
export interface SpeaksTlsOptions {
  /** How long the server may take, if it is less than usual. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a server answers a TLS handshake, be its certificate trusted or not. */
export async function speaksTls(url: URL, options: SpeaksTlsOptions): Promise<boolean> {
  const { timeoutMs, signal } = options;
  let connection: Deno.TlsConn;
  try {
    const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
    connection = await Deno.connectTls({ hostname, port: Number(url.port || 443) });
  } catch (error) {
    return isFromTls(error);
  }
  const close = () => {
    try {
      connection.close();
    } catch {
      // A handshake that failed has closed it.
    }
  };
  const timer = setTimeout(close, Math.min(timeoutMs, HANDSHAKE_TIMEOUT_MS));
  signal?.addEventListener("abort", close, { once: true });
  try {
    await connection.handshake();
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    return isFromTls(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", close);
    close();
  }
}

/** Whether a handshake failed over what only TLS knows: certificates, and alerts. */
function isFromTls(error: unknown): boolean {
  return error instanceof Error && /certificate|alert/i.test(error.message);
}
