/** Properties of a line to a far registry. */
export interface FarLine {
  /** Time from a request to its response, in milliseconds. */
  readonly roundTripMs: number;
  /** Bytes per second and connection. */
  readonly bytesPerSecond: number;
}

/** A proxy on the loopback. Disposing of it closes every connection. */
export interface FarProxy extends Disposable {
  /** Host and port, for references. */
  readonly host: string;
}

/** Time that a connection may lag behind its rate before it counts as idle. */
const MAX_LAG_MS = 40;
/** Bytes that wait in the proxy before it stops reading. */
const QUEUE_BYTES = 4_000_000;

/**
 * Starts a TCP proxy that simulates the line to a far registry in front of one on the loopback:
 * each direction is delayed by half of the round trip, each connection takes one to open, and
 * answers arrive at the rate of the line.
 *
 * @param upstreamPort Port of the registry on this machine.
 * @param line Round trip and rate.
 */
export function openFarProxy(upstreamPort: number, line: FarLine): FarProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  const serve = async (client: Deno.Conn) => {
    await sleep(line.roundTripMs);
    const server = await Deno.connect({ hostname: "127.0.0.1", port: upstreamPort });
    connections.add(client).add(server);
    const delayMs = line.roundTripMs / 2;
    await Promise.allSettled([
      carry(client, server, delayMs, Infinity),
      carry(server, client, delayMs, line.bytesPerSecond),
    ]);
    for (const connection of [client, server]) {
      connections.delete(connection);
      close(connection);
    }
  };
  const accept = async () => {
    for await (const client of listener) serve(client).catch(() => close(client));
  };
  void accept();
  return {
    host: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    [Symbol.dispose]() {
      listener.close();
      for (const connection of connections) close(connection);
    },
  };
}

/** Carries bytes one way, each after a delay and no faster than the rate. */
async function carry(
  from: Deno.Conn,
  to: Deno.Conn,
  delayMs: number,
  bytesPerSecond: number,
): Promise<void> {
  const queue: { readonly chunk: Uint8Array; readonly dueMs: number }[] = [];
  let queued = 0;
  let isOver = false;
  let wake = () => {};
  const changed = () => new Promise<void>((resolve) => wake = resolve);
  const read = async () => {
    for (;;) {
      const buffer = new Uint8Array(65_536);
      const count = await from.read(buffer).catch(() => null);
      if (count === null) break;
      queue.push({ chunk: buffer.subarray(0, count), dueMs: performance.now() + delayMs });
      queued += count;
      wake();
      while (queued > QUEUE_BYTES) await sleep(5);
    }
    isOver = true;
    wake();
  };
  const write = async () => {
    let freeMs = 0;
    for (;;) {
      const next = queue.shift();
      if (next === undefined) {
        if (isOver) break;
        await changed();
        continue;
      }
      const waitMs = Math.max(next.dueMs, freeMs) - performance.now();
      if (waitMs > 1) await sleep(waitMs);
      // Make up for late timers, so that the rate is right on average.
      freeMs = Math.max(freeMs, next.dueMs, performance.now() - MAX_LAG_MS) +
        next.chunk.length / bytesPerSecond * 1000;
      for (let at = 0; at < next.chunk.length;) at += await to.write(next.chunk.subarray(at));
      queued -= next.chunk.length;
    }
    await to.closeWrite();
  };
  await Promise.all([read(), write()]);
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // The other side was faster.
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
