import { startTimer } from "./timer.ts";
import { Watchdog } from "./watchdog.ts";

/** Timeout of a handshake; a server without TLS may wait for the rest of a request. */
const HANDSHAKE_TIMEOUT_MS = 2_000;

/** Options for {@linkcode speaksTls}. */
export interface SpeaksTlsOptions {
  /** Timeout in milliseconds, if less than the default. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Returns whether a server answers a TLS handshake, with a trusted certificate or not. */
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
      // A failed handshake has closed the connection.
    }
  };
  using _timer = startTimer(limitMs, close);
  signal?.addEventListener("abort", close, { once: true });
  try {
    await connection.handshake();
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    return isFromTls(error);
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}

/** Returns whether a handshake failed for a reason that proves TLS: a certificate or an alert. */
function isFromTls(error: unknown): boolean {
  return error instanceof Error && /certificate|alert/i.test(error.message);
}
