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
 * `Deno.connect()` leaks a socket if its signal is aborted after the connection is established, but
 * before that is reported: the promise is rejected, and the socket stays open. A timer can abort
 * the signal at that moment, because timers run before completed operations are reported. The abort
 * therefore waits for a message, which is an operation itself.
 */
export async function openSocket(
  { hostname, port, signal }: SocketAddress,
): Promise<Deno.TcpConn> {
  signal.throwIfAborted();
  const controller = new AbortController();
  using _abort = onAbort(signal, () => afterOperations(() => controller.abort(signal.reason)));
  const socket = await Deno.connect({ hostname, port, signal: controller.signal });
  if (!signal.aborted) return socket;
  socket.close();
  throw signal.reason;
}

/** Calls a function after all operations that are complete by now have been reported. */
function afterOperations(call: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    port2.close();
    // Operations are reported in batches, and others of this one may come after the message.
    queueMicrotask(call);
  };
  port2.postMessage(undefined);
}
