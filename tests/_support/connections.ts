/** Connections to a listener. Disposing of them ends them, and the listener. */
export interface Connections extends AsyncDisposable {
  /** Host and port of the listener. */
  readonly host: string;
}

/**
 * Serves a connection to its end. `own` registers another connection to close with the listener.
 */
export type ServeConnection<C extends Deno.Conn> = (
  connection: C,
  own: (other: Deno.Conn) => void,
) => Promise<void>;

/** Serves each connection to a listener, and then closes it. */
export function serveConnections<C extends Deno.Conn>(
  listener: Deno.Listener<C>,
  serve: ServeConnection<C>,
): Connections {
  const { hostname, port } = listener.addr as Deno.NetAddr;
  const open = new Set<Deno.Conn>();
  const tasks = new Set<Promise<void>>();
  const errors: unknown[] = [];
  let isClosed = false;

  const run = async (connection: C) => {
    open.add(connection);
    try {
      await serve(connection, (other) => open.add(other));
    } catch (error) {
      if (!isDisconnect(error)) errors.push(error);
    }
    open.delete(connection);
    endConnection(connection);
  };
  const accept = async () => {
    while (true) {
      try {
        const connection = await listener.accept();
        // It may have arrived while the listener was being closed.
        if (isClosed) return endConnection(connection);
        const task = run(connection).finally(() => tasks.delete(task));
        tasks.add(task);
      } catch (error) {
        if (isClosed) return;
        // A client that refuses the certificate ends its connection before it is accepted.
        if (!isDisconnect(error)) throw error;
      }
    }
  };
  const accepting = accept();

  return {
    host: `${hostname}:${port}`,
    async [Symbol.asyncDispose]() {
      isClosed = true;
      listener.close();
      for (const connection of open) endConnection(connection);
      await Promise.all([accepting, ...tasks]);
      if (errors.length > 0) throw new AggregateError(errors, "Cannot end the server in order");
    },
  };
}

/** Closes a connection that may be closed already. */
export function endConnection(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Whether an error means that the client or the server has ended a connection. */
function isDisconnect(error: unknown): boolean {
  return [
    Deno.errors.BadResource,
    Deno.errors.BrokenPipe,
    Deno.errors.ConnectionAborted,
    Deno.errors.ConnectionReset,
    Deno.errors.Interrupted,
    Deno.errors.InvalidData,
    Deno.errors.NotConnected,
    Deno.errors.UnexpectedEof,
  ].some((kind) => error instanceof kind);
}

/**
 * Returns an address of the loopback without a listener. On Linux, a server that starts later cannot
 * get it, since all use 127.0.0.1.
 */
export function unusedAddress(): string {
  const hostname = Deno.build.os === "linux" ? "127.0.0.2" : "127.0.0.1";
  using listener = Deno.listen({ hostname, port: 0 });
  return `${hostname}:${listener.addr.port}`;
}
