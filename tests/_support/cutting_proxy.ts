import { writeAll } from "./bytes.ts";
import { endConnection, serveConnections } from "./connections.ts";

/** A TCP proxy that cuts connections. Disposing of it stops the proxy. */
export interface CuttingProxy extends AsyncDisposable {
  readonly host: string;
  /** Number of bytes that clients have sent through it. */
  readonly bytes: number;
  /** Number of connections that it has cut. */
  readonly cuts: number;
}

/**
 * Forwards connections to an address, and cuts each one after a number of bytes from the client.
 * Both sides are closed, as by a broken network.
 */
export function cuttingProxy(target: string, cutAfter: number): CuttingProxy {
  const [hostname = "", port] = target.split(":");
  const state = { bytes: 0, cuts: 0 };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = serveConnections(listener, async (client, own) => {
    const server = await Deno.connect({ hostname, port: Number(port) });
    own(server);
    const end = () => {
      endConnection(client);
      endConnection(server);
    };
    const back = server.readable.pipeTo(client.writable, { preventClose: true }).catch(() => {
      // The client has closed the connection.
    }).finally(end);
    const buffer = new Uint8Array(65_536);
    let left = cutAfter;
    try {
      while (left > 0) {
        const count = await client.read(buffer.subarray(0, left));
        if (count === null) break;
        await writeAll(server, buffer.subarray(0, count));
        state.bytes += count;
        left -= count;
      }
    } finally {
      if (left === 0) state.cuts++;
      end();
      await back;
    }
  });

  return {
    host: connections.host,
    get bytes() {
      return state.bytes;
    },
    get cuts() {
      return state.cuts;
    },
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}
