import { Watchdog } from "./watchdog.ts";

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
  const limitMs = Math.min(timeoutMs, HANDSHAKE_TIMEOUT_MS);
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  using watchdog = new Watchdog({
    signal,
    stallTimeoutMs: limitMs,
    stallError: () => new Error("the server does not accept the connection"),
    onGiveUp: () => {},
  });
  const connecting = Deno.connectTls({ hostname, port: Number(url.port || 443) });
  let connection: Deno.TlsConn;
  try {
    connection = await watchdog.wait(connecting);
  } catch (error) {
    connecting.then((late) => late.close()).catch(() => {});
    signal?.throwIfAborted();
    return isFromTls(error);
  }
  const close = () => {
    try {
      connection.close();
    } catch {
      // A handshake that failed has closed it.
    }
  };
  const timer = setTimeout(close, limitMs);
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
