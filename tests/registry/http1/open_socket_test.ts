import { assert, assertRejects } from "@std/assert";
import { openSocket } from "../../../registry/http1/open_socket.ts";
import { serveConnections } from "../../_support/connections.ts";

/** Enough to hit the moment at which a connection is established but not yet reported. */
const ATTEMPTS = 300;

/** Accepts connections, and waits until the clients close them. */
function countingServer() {
  let [accepted, closed] = [0, 0];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = serveConnections(listener, async (connection) => {
    accepted++;
    await connection.read(new Uint8Array(1));
    closed++;
  });
  return {
    ...connections,
    port: listener.addr.port,
    isQuiet: () => accepted === closed,
  };
}

Deno.test("openSocket() leaks no socket when a timer aborts it", async () => {
  await using server = countingServer();
  const { port } = server;

  for (let i = 0; i < ATTEMPTS; i++) {
    const controller = new AbortController();
    const opening = openSocket({ hostname: "127.0.0.1", port, signal: controller.signal });
    setTimeout(() => controller.abort(), 1);
    const until = performance.now() + 1;
    while (performance.now() < until);
    await opening.then((socket) => socket.close(), () => {});
  }

  // The server would never see the end of a leaked socket.
  while (!server.isQuiet()) await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("openSocket() closes a socket that is opened although it is aborted", async () => {
  await using server = countingServer();
  const controller = new AbortController();
  const { connect } = Deno;
  using restored = new DisposableStack();
  restored.defer(() => Object.assign(Deno, { connect }));
  // As Deno 2.9 does if the connection is established before it notices the abort.
  const connectLate = async ({ signal, ...address }: Deno.ConnectOptions) => {
    const socket = await connect(address);
    controller.abort(new Error("enough"));
    while (!signal?.aborted) await new Promise((resolve) => setTimeout(resolve));
    signal.throwIfAborted();
    return socket;
  };
  Object.assign(Deno, { connect: connectLate });
  const target = { hostname: "127.0.0.1", port: server.port, signal: controller.signal };

  await assertRejects(() => openSocket(target), Error, "enough");

  // The server would never see the end of a leaked socket.
  while (!server.isQuiet()) await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("openSocket() fails with the reason of the signal", async () => {
  await using server = countingServer();
  const reason = new Error("enough");
  const where = { hostname: "127.0.0.1", port: server.port };
  const controller = new AbortController();

  await assertRejects(
    () => openSocket({ ...where, signal: AbortSignal.abort(reason) }),
    Error,
    "enough",
  );
  const opening = openSocket({ ...where, signal: controller.signal });
  controller.abort(reason);

  const failure = await opening.catch((error: unknown) => error);
  assert(failure === reason);
});
