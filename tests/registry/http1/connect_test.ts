import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { connect, type ConnectionTarget } from "../../../registry/http1/_connect.ts";
import { makeServerTls } from "../../_support/certificates.ts";
import { serveConnections } from "../../_support/connections.ts";

interface TlsServer extends AsyncDisposable {
  readonly target: Pick<ConnectionTarget, "hostname" | "port" | "signal">;
  readonly ca: string;
}

/** Serves TLS connections, which it closes when the client does. */
async function tlsServer(
  onConnection: (connection: Deno.TlsConn) => Promise<void> = async () => {},
): Promise<TlsServer> {
  const { ca, cert, key } = await makeServerTls();
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert,
    key,
    alpnProtocols: ["h2", "http/1.1"],
  });
  const connections = serveConnections(listener, async (connection) => {
    await onConnection(connection);
    await connection.read(new Uint8Array(1)).catch(() => {});
  });
  return {
    target: {
      hostname: "127.0.0.1",
      port: listener.addr.port,
      signal: new AbortController().signal,
    },
    ca,
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}

Deno.test("connect() verifies the certificate of the expected name", async () => {
  await using server = await tlsServer();
  const { ca, target } = server;

  using connection = await connect({ ...target, tls: { name: "localhost", caCerts: [ca] } });
  assertEquals(connection.remoteAddr.hostname, "127.0.0.1");
  await assertRejects(
    () => connect({ ...target, tls: { name: "elsewhere.test", caCerts: [ca] } }),
    Error,
    "elsewhere.test",
  );
  await assertRejects(
    () => connect({ ...target, tls: { name: "localhost", caCerts: [] } }),
    Error,
    "UnknownIssuer",
  );
});

Deno.test.each([
  { certificate: "some text", says: 'one of them does not contain "-----BEGIN CERTIFICATE-----"' },
  {
    certificate: "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
    says: "Unable to add",
  },
  { certificate: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", says: "BadEncod" },
])("connect() says that a certificate cannot be used: $says", async ({ certificate, says }) => {
  await using server = await tlsServer();
  const tls = { name: "localhost", caCerts: [certificate] };

  const error = await assertRejects(() => connect({ ...server.target, tls }), TypeError);

  assertStringIncludes(error.message, "Cannot use the certificates: ");
  assertStringIncludes(error.message, says);
});

Deno.test("connect() offers HTTP/1.1 as the protocol", async () => {
  const offered = Promise.withResolvers<string | null>();
  await using server = await tlsServer(async (connection) => {
    offered.resolve((await connection.handshake()).alpnProtocol);
  });
  const tls = { name: "localhost", caCerts: [server.ca] };

  using _connection = await connect({ ...server.target, tls });

  assertEquals(await offered.promise, "http/1.1");
});

Deno.test("connect() does not blame the certificates for an invalid server name", async () => {
  await using server = await tlsServer();
  const tls = { name: "-a.test", caCerts: [server.ca] };

  const error = await assertRejects(() => connect({ ...server.target, tls }), TypeError);

  assertEquals(error.message, "Invalid hostname: '-a.test'");
});

Deno.test("connect() can be aborted during a handshake that the server does not answer", async () => {
  const stop = new AbortController();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using _connections = serveConnections(listener, async (connection) => {
    // The first bytes of the handshake have arrived.
    await connection.read(new Uint8Array(1));
    stop.abort(new Error("enough"));
    await connection.read(new Uint8Array(65_536));
  });
  const target = { hostname: "127.0.0.1", port: listener.addr.port, signal: stop.signal };

  await assertRejects(
    () => connect({ ...target, tls: { name: "localhost", caCerts: [] } }),
    Error,
    "enough",
  );
});

Deno.test("connect() sends nothing to an address that is rejected", async () => {
  const received: number[] = [];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using _connections = serveConnections(listener, async (connection) => {
    received.push(await connection.read(new Uint8Array(1)) ?? 0);
  });
  const { port } = listener.addr;
  const onConnect = (address: string) => {
    throw new Error(`not ${address}`);
  };

  await assertRejects(
    () => connect({ hostname: "127.0.0.1", port, signal: AbortSignal.timeout(30_000), onConnect }),
    Error,
    "not 127.0.0.1",
  );

  assertEquals(received.filter((count) => count > 0), []);
});
