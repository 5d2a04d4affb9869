/** A TCP proxy that cuts connections. Disposing of it ends it. */
export interface CuttingProxy extends AsyncDisposable {
  readonly host: string;
  /** Number of bytes that clients have sent through it. */
  readonly bytes: number;
  /** Number of connections that it has cut. */
  readonly cuts: number;
}

/**
 * Forwards connections to an address, and cuts each one after so many bytes from the client: both
 * sides are closed as a network that breaks would close them.
 */
export function cuttingProxy(target: string, cutAfter: number): CuttingProxy {
  const [hostname = "", port] = target.split(":");
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const tasks = new Set<Promise<unknown>>();
  const state = { bytes: 0, cuts: 0 };

  const close = (connection: Deno.Conn) => {
    open.delete(connection);
    try {
      connection.close();
    } catch (error) {
      // Piping closes the connection as well.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  };
  const serve = async (client: Deno.TcpConn) => {
    open.add(client);
    const server = await Deno.connect({ hostname, port: Number(port) });
    open.add(server);
    const back = server.readable.pipeTo(client.writable, { preventClose: true }).catch(() => {
      // The client has closed the connection.
    }).finally(() => {
      close(client);
      close(server);
    });
    const buffer = new Uint8Array(65_536);
    let left = cutAfter;
    try {
      while (left > 0) {
        const count = await client.read(buffer.subarray(0, left));
        if (count === null) break;
        for (let at = 0; at < count;) at += await server.write(buffer.subarray(at, count));
        state.bytes += count;
        left -= count;
      }
    } catch {
      // One side has closed the connection.
    }
    if (left === 0) state.cuts++;
    close(client);
    close(server);
    await back;
  };

  const accepting = (async () => {
    for await (const client of listener) {
      const task = serve(client).finally(() => tasks.delete(task));
      tasks.add(task);
    }
  })();

  return {
    host: `127.0.0.1:${listener.addr.port}`,
    get bytes() {
      return state.bytes;
    },
    get cuts() {
      return state.cuts;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) close(connection);
      await Promise.allSettled([accepting, ...tasks]);
    },
  };
}
