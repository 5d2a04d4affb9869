import { writeAll } from "../../_support/bytes.ts";
import { type Connections, serveConnections } from "../../_support/connections.ts";

/** A server that sends prepared responses. */
export interface ScriptedServer extends AsyncDisposable {
  readonly host: string;
  /** First line of each request, after the number of its connection. */
  readonly requests: readonly string[];
  /** Text that has arrived. */
  readonly received: string;
  /** Number of connections that the client has closed. */
  readonly closed: number;
  /** Sends text over the last connection, and waits until the client closes that. */
  sendLate(text: string): Promise<void>;
  /** Ends the last connection, and waits until the client closes it too. */
  endLate(): Promise<void>;
  /** Ends the last connection. */
  endNow(): Promise<void>;
  /** Waits until the client closes a connection. */
  whenClosed(): Promise<void>;
}

/** Sends the responses one after another, to any connection; closes the connection for `null`. */
export function scriptedServer(...responses: readonly (string | null)[]): ScriptedServer {
  const left = [...responses];
  const requests: string[] = [];
  let received = "";
  let [count, closed] = [0, 0];
  let last: Deno.Conn | undefined;
  const closing = Promise.withResolvers<void>();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Connections = serveConnections(listener, async (connection) => {
    const number = ++count;
    last = connection;
    const memory = new Uint8Array(65_536);
    for (let text = "";;) {
      const size = await connection.read(memory);
      if (size === null) {
        closed++;
        return closing.resolve();
      }
      const more = new TextDecoder().decode(memory.subarray(0, size));
      text += more;
      received += more;
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) continue;
      requests.push(`${number} ${text.split(" HTTP/", 1)[0]}`);
      const response = left.shift();
      if (response === null || response === undefined) return;
      await writeAll(connection, response);
      text = "";
    }
  });
  return {
    host: connections.host,
    requests,
    get received() {
      return received;
    },
    get closed() {
      return closed;
    },
    async sendLate(text) {
      if (last !== undefined) await writeAll(last, text);
      await closing.promise;
    },
    async endLate() {
      await last?.closeWrite();
      await closing.promise;
    },
    async endNow() {
      await last?.closeWrite();
    },
    whenClosed: () => closing.promise,
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}
