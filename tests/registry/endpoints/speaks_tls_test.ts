import { assert, assertEquals, assertRejects } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { speaksTls } from "../../../registry/endpoints/_speaks_tls.ts";
import { type Connections, serveConnections, unusedAddress } from "../../_support/connections.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { dockerRegistry, makeCertificates, peerTest, programPath } from "../../_support/peers.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** Longer than any test takes. */
const NO_TIMEOUT = 240_000;

interface AnsweringServer extends Connections {
  readonly url: URL;
  /** First record of the client. */
  readonly hello: Promise<Uint8Array>;
  /** Waits until the client has closed the connection. */
  readonly closed: Promise<void>;
}

/** Reads the first record of each connection, answers it, and waits until the client closes it. */
function answeringServer(
  answer: (connection: Deno.Conn) => void | Promise<void>,
  hostname = "127.0.0.1",
): AnsweringServer {
  const hello = Promise.withResolvers<Uint8Array>();
  const closed = Promise.withResolvers<void>();
  const listener = Deno.listen({ hostname, port: 0 });
  const connections = serveConnections(listener, async (connection) => {
    try {
      hello.resolve(await readRecord(connection));
      await answer(connection);
      while (await connection.read(new Uint8Array(1024)) !== null);
    } finally {
      closed.resolve();
    }
  });
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    ...connections,
    url: new URL(`https://${host}:${listener.addr.port}`),
    hello: hello.promise,
    closed: closed.promise,
  };
}

async function readRecord(connection: Deno.Conn): Promise<Uint8Array> {
  const memory = new Uint8Array(4096);
  let size = 0;
  for (let needed = 5; size < needed;) {
    const read = await connection.read(memory.subarray(size));
    if (read === null) throw new Error("the client closed the connection");
    size += read;
    if (size >= 5) needed = 5 + new DataView(memory.buffer).getUint16(3);
  }
  return memory.slice(0, size);
}

function send(...parts: readonly (string | readonly number[])[]) {
  return async (connection: Deno.Conn) => {
    for (const part of parts) {
      const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
      await connection.write(Uint8Array.from(bytes));
    }
  };
}

const ALERT = [21, 3, 3, 0, 2, 2, 40];
const HANDSHAKE = [22, 3, 3, 0, 90, 2, 0, 0, 86];

Deno.test.each([
  { what: "a handshake", answer: send(HANDSHAKE), expected: true },
  { what: "an alert", answer: send(ALERT), expected: true },
  { what: "an alert of TLS 1.0", answer: send([21, 3, 1, 0, 2, 2, 70]), expected: true },
  { what: "single bytes", answer: send(...HANDSHAKE.map((byte) => [byte])), expected: true },
  { what: "HTTP", answer: send("HTTP/1.1 400 Bad Request\r\n\r\n"), expected: false },
  { what: "one byte of HTTP", answer: send("H"), expected: false },
  { what: "a message of SSH", answer: send("SSH-2.0-x\r\n"), expected: false },
  { what: "data of TLS", answer: send([23, 3, 3, 0, 1, 0]), expected: false },
  { what: "another version", answer: send([22, 2, 0]), expected: false },
  { what: "another minor version", answer: send([22, 3, 5]), expected: false },
])("speaksTls() is $expected for a server that answers with $what", async (test) => {
  await using server = answeringServer(test.answer);

  const isTls = await speaksTls(server.url, { timeoutMs: NO_TIMEOUT });
  await server.closed;

  assertEquals(isTls, test.expected);
});

Deno.test.each([
  { what: "ends the connection at once", sent: [] },
  { what: "ends the connection after two bytes", sent: HANDSHAKE.slice(0, 2) },
])("speaksTls() is false for a server that $what", async ({ sent }) => {
  await using server = answeringServer(async (connection) => {
    await send(sent)(connection);
    connection.close();
  });

  assertEquals(await speaksTls(server.url, { timeoutMs: NO_TIMEOUT }), false);
});

Deno.test("speaksTls() is false if nothing listens", async () => {
  const url = new URL(`https://${unusedAddress()}`);

  assertEquals(await speaksTls(url, { timeoutMs: NO_TIMEOUT }), false);
});

Deno.test("speaksTls() closes the connection to a server that does not answer", async () => {
  using time = manualTime();
  await using server = answeringServer(() => {});

  const asking = speaksTls(server.url, { timeoutMs: NO_TIMEOUT });
  await server.hello;
  const isTls = await time.passUntil(NO_TIMEOUT, asking);
  await server.closed;

  assertEquals(isTls, false);
});

Deno.test("speaksTls() closes the connection when it is aborted", async () => {
  const controller = new AbortController();
  await using server = answeringServer(() => controller.abort(new Error("enough")));
  const { signal } = controller;

  await assertRejects(
    () => speaksTls(server.url, { timeoutMs: NO_TIMEOUT, signal }),
    Error,
    "enough",
  );
  await server.closed;
});

Deno.test("speaksTls() ignores an abort once it has the answer", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  await using server = answeringServer(send(HANDSHAKE));

  const isTls = await speaksTls(server.url, { timeoutMs: NO_TIMEOUT, signal });
  // An error in a listener would be uncaught, and end the program.
  controller.abort();

  assert(isTls);
});

Deno.test("speaksTls() sends nothing if the signal is already aborted", async () => {
  let count = 0;
  await using server = answeringServer(() => void count++);
  const signal = AbortSignal.abort(new Error("enough"));

  await assertRejects(() => speaksTls(server.url, { timeoutMs: 1, signal }), Error, "enough");

  assertEquals(count, 0);
});

Deno.test.each<{ hostname: string; sent: string[] }>([
  { hostname: "localhost", sent: ["localhost"] },
  { hostname: "127.0.0.1", sent: [] },
  { hostname: "[::1]", sent: [] },
])("speaksTls() sends the names $sent to $hostname", async ({ hostname, sent }) => {
  await using server = answeringServer(send(ALERT), hostname === "[::1]" ? "::1" : "127.0.0.1");
  const url = new URL(`https://${hostname}:${server.url.port}`);

  assert(await speaksTls(url, { timeoutMs: NO_TIMEOUT }));
  const hello = await server.hello;

  assertEquals([...hello.subarray(0, 3)], [22, 3, 1]);
  const text = String.fromCharCode(...hello);
  assertEquals(["localhost", "127.0.0.1", "::1"].filter((name) => text.includes(name)), sent);
});

peerTest({
  name: "speaksTls() recognizes docker-registry, with a client certificate or not",
  needs: ["docker-registry"],
}, async () => {
  for (const clientCertificate of [false, true]) {
    await using registry = await dockerRegistry({ tls: true, clientCertificate });

    assert(await speaksTls(new URL(registry.url), { timeoutMs: NO_TIMEOUT }));
  }
  await using registry = await dockerRegistry();

  const url = new URL(`https://${registry.host}`);
  assertEquals(await speaksTls(url, { timeoutMs: NO_TIMEOUT }), false);
});

for (
  const options of [
    ["-tls1_2"],
    ["-tls1_3"],
    ["-tls1_3", "-groups", "P-521"],
    ["-tls1_2", "-Verify", "1"],
    ["-tls1_3", "-Verify", "1"],
    ["-alpn", "h2"],
  ]
) {
  peerTest({
    name: `speaksTls() recognizes openssl s_server ${options.join(" ")}`,
    needs: ["openssl"],
  }, async () => {
    await using server = await opensslServer(options);

    assert(await speaksTls(server.url, { timeoutMs: NO_TIMEOUT }));
  });
}

/** Starts `openssl s_server` on a free port. */
async function opensslServer(
  options: readonly string[],
): Promise<AsyncDisposable & { readonly url: URL }> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await makeTempDir());
  const { ca, cert, key } = await makeCertificates(dir.path);
  const child = new Deno.Command(programPath("openssl") ?? "openssl", {
    args: ["s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-CAfile", ca]
      .concat(options),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream())[Symbol.asyncIterator]();
  stack.defer(async () => {
    await lines.return?.();
    await child.stdin.close();
    child.kill();
    await child.status;
  });
  for (;;) {
    const { value = "", done } = await lines.next();
    if (done) throw new Error("Cannot start openssl s_server");
    const port = /^ACCEPT .*:([0-9]+)$/.exec(value)?.[1];
    if (port === undefined) continue;
    const owned = stack.move();
    return {
      url: new URL(`https://127.0.0.1:${port}`),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  }
}
