import { onAbort } from "../tasks/abortable.ts";
import { certificateError, checkCertificates } from "./certificate_error.ts";
import { openSocket, type SocketAddress } from "./open_socket.ts";

/** Protocols to offer: some servers that support several require an offer (RFC 7301). */
const PROTOCOLS = ["http/1.1"];

/** Address of a server, and how to connect to it. */
export interface ConnectionTarget extends SocketAddress {
  /** For TLS: the expected name of the server, and additional trusted certificates. */
  readonly tls?: { readonly name: string; readonly caCerts: readonly string[] } | undefined;
  /** Called with the IP address before anything is sent; throws to reject the address. */
  readonly onConnect?: ((address: string) => void) | undefined;
  /**
   * Called if the signal is aborted during the handshake. Deno then keeps the socket open until the
   * server closes it.
   */
  readonly onHandshakeAbort?: (() => void) | undefined;
  /**
   * Maximum time to connect, in milliseconds.
   *
   * By default, the limit of the system.
   */
  readonly dialTimeoutMs?: number | undefined;
}

/** Connects to a server, with TLS if the target says so. */
export async function connect(target: ConnectionTarget): Promise<Deno.TcpConn | Deno.TlsConn> {
  const { tls, onConnect } = target;
  const socket = await dial(target);
  try {
    onConnect?.(socket.remoteAddr.hostname);
    // Otherwise, the last packet of a body waits until the server acknowledges the previous one.
    socket.setNoDelay();
    return tls === undefined ? socket : await startTls(socket, tls, target);
  } catch (error) {
    close(socket);
    throw error;
  }
}

/** Opens the socket. If an address takes long to connect, Deno tries the next one (RFC 8305). */
async function dial(
  { hostname, port, signal, dialTimeoutMs }: ConnectionTarget,
): Promise<Deno.TcpConn> {
  if (dialTimeoutMs === undefined) return await openSocket({ hostname, port, signal });
  const timeout = AbortSignal.timeout(dialTimeoutMs);
  try {
    return await openSocket({ hostname, port, signal: AbortSignal.any([signal, timeout]) });
  } catch (error) {
    if (signal.aborted || !timeout.aborted) throw error;
    throw new Error(`no connection after ${dialTimeoutMs / 1000} s`);
  }
}

async function startTls(
  socket: Deno.TcpConn,
  { name, caCerts }: NonNullable<ConnectionTarget["tls"]>,
  { signal, onHandshakeAbort }: ConnectionTarget,
): Promise<Deno.TlsConn> {
  checkCertificates(caCerts);
  let secured: Deno.TlsConn;
  try {
    secured = await Deno.startTls(socket, {
      hostname: name,
      caCerts: [...caCerts],
      alpnProtocols: PROTOCOLS,
    });
  } catch (error) {
    // Deno throws a TypeError for a name that no certificate can have.
    if (error instanceof TypeError || error instanceof Deno.errors.NotCapable) throw error;
    throw certificateError(error);
  }
  const stop = () => close(secured);
  using _stop = onAbort(signal, stop);
  try {
    signal.throwIfAborted();
    await secured.handshake();
    signal.throwIfAborted();
    return secured;
  } catch (error) {
    stop();
    if (signal.aborted) onHandshakeAbort?.();
    signal.throwIfAborted();
    throw isEnd(error) ? new Error("connection closed during the TLS handshake") : error;
  }
}

/** Returns whether an error means that the server closed a connection without ending TLS first. */
export function isEnd(error: unknown): boolean {
  return error instanceof Deno.errors.UnexpectedEof;
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // `Deno.startTls()` or a failed handshake has closed it.
  }
}
