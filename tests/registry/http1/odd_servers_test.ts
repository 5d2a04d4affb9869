/**
 * Servers that end, split and join their responses in odd ways, over TLS and without.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionPool } from "../../../registry/http1/connection_pool.ts";
import type { UploadSource } from "../../../registry/http1/upload_source.ts";
import { writeAll } from "../../_support/bytes.ts";
import { makeServerTls } from "../../_support/certificates.ts";
import { type Connections, serveConnections } from "../../_support/connections.ts";
import { textOf } from "./_text_of.ts";

const DONE = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** Behavior of a server after the head of a request. */
interface Script {
  /** Pieces of the response, each in its own packet if possible. */
  readonly send: readonly string[];
  /** Whether the server ends its side of the connection, or the whole, after the response. */
  readonly end?: "half" | "all";
}

interface OddServer extends Connections {
  readonly url: URL;
  readonly ca: string;
  /** Number of the connection of each request. */
  readonly requests: readonly number[];
  /** Resolves when a request has arrived. */
  readonly requested: Promise<void>;
  /** Resolves when the client has ended a connection. */
  readonly closed: Promise<void>;
}

/** Plays a script for each request, over all connections. */
async function oddServer(isTls: boolean, ...scripts: readonly Script[]): Promise<OddServer> {
  const { ca, cert, key } = await makeServerTls();
  const where = { hostname: "127.0.0.1", port: 0 };
  const listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn> = isTls
    ? Deno.listenTls({ ...where, cert, key })
    : Deno.listen(where);
  const left = [...scripts];
  const requests: number[] = [];
  let count = 0;
  const [requested, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const connections = serveConnections(listener, async (connection) => {
    const number = ++count;
    try {
      while (await readHead(connection)) {
        requests.push(number);
        requested.resolve();
        const { send, end } = left.shift() ?? { send: [DONE] };
        for (const piece of send) await writeAll(connection, piece);
        if (end === "all") return;
        if (end === "half") await connection.closeWrite();
      }
    } finally {
      closed.resolve();
    }
  });
  const url = new URL(`${isTls ? "https" : "http"}://${connections.host}/`);
  return {
    ...connections,
    url,
    ca,
    requests,
    requested: requested.promise,
    closed: closed.promise,
  };
}

/** Reads the head of a request, and anything that arrives with it; `false` at the end. */
async function readHead(connection: Deno.Conn): Promise<boolean> {
  const memory = new Uint8Array(1024);
  for (let text = ""; !text.includes("\r\n\r\n");) {
    const size = await connection.read(memory);
    if (size === null) return false;
    text += new TextDecoder().decode(memory.subarray(0, size));
  }
  return true;
}

interface Sending {
  readonly method?: string;
  readonly body?: Uint8Array<ArrayBuffer> | UploadSource;
  readonly signal?: AbortSignal;
}

/** Sends a request, and returns the status and the body. */
async function exchange(
  pool: ConnectionPool,
  { url, ca }: OddServer,
  { method = "GET", body = undefined, signal = new AbortController().signal }: Sending = {},
): Promise<string> {
  const response = await pool.send({
    method,
    url,
    headers: new Headers(),
    body: body ?? null,
    signal,
    watchdog: { suspend() {}, resume() {} },
    caCerts: [ca],
  });
  return await textOf(response);
}

/** A body that never ends. */
function endless(read: UploadSource["read"]): UploadSource {
  return { size: Number.MAX_SAFE_INTEGER, read, cancel() {} };
}

const CHUNKED = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const CASES: readonly {
  readonly what: string;
  readonly script: Script;
  readonly sending?: Sending;
  readonly expected: string;
  /** Whether the next request uses the same connection. */
  readonly isKept?: boolean;
}[] = [
  {
    what: "sends single bytes",
    script: { send: [...`HTTP/1.1 100 Continue\r\n\r\n${DONE}`] },
    expected: "200 ok",
    isKept: true,
  },
  {
    what: "sends interim responses",
    script: { send: ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\na: b\r\n\r\n", DONE] },
    sending: { method: "PUT", body: new Uint8Array(10) },
    expected: "200 ok",
    isKept: true,
  },
  {
    what: "sends trailers in pieces",
    script: { send: [CHUNKED, "1\r\no\r", "\n1\r\nk\r\n0\r\na: ", "b\r\n", "\r\n"] },
    expected: "200 ok",
    isKept: true,
  },
  {
    what: "ends its side after a response",
    script: { send: [DONE], end: "half" },
    expected: "200 ok",
  },
  {
    what: "ends the connection after a response",
    script: { send: [DONE], end: "all" },
    expected: "200 ok",
  },
  {
    what: "sends a body after HEAD",
    script: { send: [DONE] },
    sending: { method: "HEAD" },
    expected: "200 ",
  },
  {
    what: "sends a body after 204",
    script: { send: ["HTTP/1.1 204 No Content\r\n\r\nbody"] },
    expected: "204 ",
  },
  {
    what: "sends a body after 304",
    script: { send: ["HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nbody"] },
    expected: "304 ",
  },
  {
    what: "sends more than the length",
    script: { send: ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokay"] },
    expected: "200 ok",
  },
  {
    what: "sends two responses at once",
    script: { send: [DONE + DONE.replace("ok", "no")] },
    expected: "200 ok",
  },
  {
    what: "responds before it has the body",
    script: { send: ["HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig"] },
    sending: { method: "PATCH", body: endless(() => new Promise(() => {})) },
    expected: "413 big",
  },
];

for (const protocol of ["HTTP", "HTTPS"]) {
  const isTls = protocol === "HTTPS";

  Deno.test.each(CASES)(
    `ConnectionPool.send() gets the response of a server of ${protocol} that $what`,
    async ({ script, sending, expected, isKept = false }) => {
      await using server = await oddServer(isTls, script, { send: [DONE] });
      using pool = new ConnectionPool();

      assertEquals(await exchange(pool, server, sending), expected);
      assertEquals(await exchange(pool, server), "200 ok");

      assertEquals(server.requests.at(-1), isKept ? 1 : 2);
    },
  );

  Deno.test.each([
    { what: "before the response", send: [] },
    { what: "in the head", send: ["HTTP/1.1 200 OK\r\ncontent-le"] },
    { what: "in the body", send: ["HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"] },
    { what: "in a chunk", send: [CHUNKED, "3\r\nok"] },
    { what: "in the trailers", send: [CHUNKED, "2\r\nok\r\n0\r\na: b\r\n"] },
  ])(`ConnectionPool.send() fails if a server of ${protocol} ends $what`, async ({ send }) => {
    for (const end of ["half", "all"] as const) {
      await using server = await oddServer(isTls, { send, end });
      using pool = new ConnectionPool();

      await assertRejects(() => exchange(pool, server), Error, "connection closed");
      await server.closed;
    }
  });

  Deno.test.each([
    { what: "does not respond", send: [] },
    { what: "stops in the head", send: ["HTTP/1.1 200 OK\r\na: "] },
    { what: "stops in the body", send: ["HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"] },
  ])(
    `ConnectionPool.send() closes the connection to a server of ${protocol} that $what when aborted`,
    async ({ send }) => {
      await using server = await oddServer(isTls, { send });
      using pool = new ConnectionPool();
      const controller = new AbortController();
      const { signal } = controller;

      const failed = assertRejects(() => exchange(pool, server, { signal }));
      await server.requested;
      controller.abort();
      await failed;
      await server.closed;
    },
  );
}

Deno.test("ConnectionPool.send() closes the connection to a server that stops reading when aborted", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connecting = listener.accept();
  using pool = new ConnectionPool();
  const controller = new AbortController();
  // More than the buffers of both sides hold.
  const bytes = new Uint8Array(64 * 1024 * 1024);

  const failed = assertRejects(() =>
    pool.send({
      method: "PATCH",
      url: new URL(`http://127.0.0.1:${listener.addr.port}/`),
      headers: new Headers(),
      body: endless(() => Promise.resolve(bytes)),
      signal: controller.signal,
      watchdog: { suspend() {}, resume() {} },
    })
  );
  using server = await connecting;
  const memory = new Uint8Array(65_536);
  await server.read(memory);
  controller.abort();
  await failed;

  let count = 0;
  for (let size; (size = await server.read(memory)) !== null;) count += size;
  assert(count < bytes.length, "the server got the whole body");
});
