/**
 * Connects to an address that drops all packets, with another address of the same server, and
 * prints the address of the connection. It runs in a separate network.
 *
 * @module
 */
import { connect } from "../../../registry/http1/_connect.ts";

using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
using connection = await connect({
  hostname: "10.9.8.8",
  alternative: "127.0.0.1",
  port: listener.addr.port,
  signal: AbortSignal.timeout(30_000),
});
(await listener.accept()).close();
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(connection.remoteAddr)));
