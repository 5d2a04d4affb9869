import { onAbort } from "../tasks/abortable.ts";

/** Address to connect to. */
export interface SocketAddress {
  /** Name or IP address. */
  readonly hostname: string;
  readonly port: number;
  readonly signal: AbortSignal;
}

/**
 * Opens a TCP connection.
 *
 * A connection can be established at the moment of the abort. `Deno.connect()` then still creates
 * the socket, but checks its signal again, rejects and leaves the socket open. Its signal is
 * therefore one whose check does nothing, so that such a socket is returned and can be closed.
 */
export async function openSocket(
  { hostname, port, signal }: SocketAddress,
): Promise<Deno.TcpConn> {
  signal.throwIfAborted();
  const controller = new AbortController();
  Object.defineProperty(controller.signal, "throwIfAborted", { value: () => {} });
  using _abort = onAbort(signal, () => controller.abort());
  try {
    const socket = await Deno.connect({ hostname, port, signal: controller.signal });
    if (!signal.aborted) return socket;
    socket.close();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  throw signal.reason;
}
