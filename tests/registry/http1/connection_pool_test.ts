import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionPool } from "../../../registry/http1/connection_pool.ts";
import type { UploadSource } from "../../../registry/http1/upload_source.ts";
import { makeServerTls } from "../../_support/certificates.ts";
import { serveConnections } from "../../_support/connections.ts";
import { type ScriptedServer, scriptedServer } from "./_scripted_server.ts";
import { textOf } from "./_text_of.ts";

const NO_WATCHDOG = { suspend() {}, resume() {} };

async function sendTo(
  pool: ConnectionPool,
  server: ScriptedServer,
  method: string,
  body: Uint8Array<ArrayBuffer> | UploadSource | null = null,
  signal: AbortSignal = new AbortController().signal,
): Promise<string> {
  const url = new URL(`http://${server.host}/path?query`);
  const headers = new Headers({ "x-test": "é" });
  const response = await pool.send({ method, url, headers, body, signal, watchdog: NO_WATCHDOG });
  return await textOf(response);
}

/** A body in pieces, of which `size` bytes are announced. */
function upload(
  size: number,
  ...pieces: readonly string[]
): UploadSource & { isCanceled: boolean } {
  const left = [...pieces];
  return {
    size,
    isCanceled: false,
    read() {
      const piece = left.shift();
      return Promise.resolve(piece === undefined ? undefined : new TextEncoder().encode(piece));
    },
    cancel() {
      this.isCanceled = true;
    },
  };
}

const DONE = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const EMPTY = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";

Deno.test("ConnectionPool.send() reuses a connection", async () => {
  await using server = scriptedServer(DONE, EMPTY, DONE);
  using pool = new ConnectionPool();

  assertEquals(await sendTo(pool, server, "GET"), "200 ok");
  assertEquals(await sendTo(pool, server, "PUT", new TextEncoder().encode("body")), "201 ");
  assertEquals(await sendTo(pool, server, "POST"), "200 ok");

  assertEquals(server.requests, ["1 GET /path?query", "1 PUT /path?query", "1 POST /path?query"]);
  const lengths = server.received.match(/content-length: [0-9]+/g);
  assertEquals(lengths, ["content-length: 4", "content-length: 0"]);
});

Deno.test("ConnectionPool.send() sends the length of a streamed body", async () => {
  await using server = scriptedServer(EMPTY);
  using pool = new ConnectionPool();

  await sendTo(pool, server, "PATCH", upload(6, "abc", "def"));

  assert(server.received.includes("content-length: 6\r\n"), server.received);
  assert(server.received.includes(`host: ${server.host}\r\n`), server.received);
});

for (
  const [what, response] of [
    ["closes", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"],
    ["sends more than the response", `${DONE}surplus`],
  ] as const
) {
  Deno.test(`ConnectionPool.send() connects again if the server ${what}`, async () => {
    await using server = scriptedServer(response, DONE);
    using pool = new ConnectionPool();

    assertEquals(await sendTo(pool, server, "GET"), "200 ok");
    assertEquals(await sendTo(pool, server, "GET"), "200 ok");

    assertEquals(server.requests.map((line) => line[0]), ["1", "2"]);
  });
}

Deno.test("ConnectionPool.send() repeats a request if the server has closed an idle connection", async () => {
  await using server = scriptedServer(DONE, null, DONE);
  using pool = new ConnectionPool();
  await sendTo(pool, server, "GET");

  assertEquals(await sendTo(pool, server, "HEAD"), "200 ");

  assertEquals(server.requests.map((line) => line[0]), ["1", "1", "2"]);
});

for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
  Deno.test(`ConnectionPool.send() does not repeat ${method}, which the server may have processed`, async () => {
    await using server = scriptedServer(DONE, null, DONE);
    using pool = new ConnectionPool();
    await sendTo(pool, server, "GET");

    await assertRejects(
      () => sendTo(pool, server, method, new TextEncoder().encode("body")),
      Error,
      "connection closed",
    );

    assertEquals(server.requests.length, 2);
  });
}

Deno.test("ConnectionPool.send() does not repeat a request once a response has begun", async () => {
  await using server = scriptedServer(DONE, "HTTP/1.1 200 OK\r\nbroken\r\n\r\n", DONE);
  using pool = new ConnectionPool();
  await sendTo(pool, server, "GET");

  await assertRejects(() => sendTo(pool, server, "GET"), Error, "invalid line");

  assertEquals(server.requests.length, 2);
});

for (const length of [99_999, 100_000]) {
  Deno.test(`ConnectionPool.send() drops a connection with surplus after ${length} bytes`, async () => {
    const surplus = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    const body = "a".repeat(length);
    await using server = scriptedServer(
      `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n${body}${surplus}`,
      DONE,
    );
    using pool = new ConnectionPool();

    assertEquals(await sendTo(pool, server, "GET"), `200 ${body}`);
    assertEquals(await sendTo(pool, server, "GET"), "200 ok");
  });
}

for (const late of ["HTTP/1.1 200 OK\r\nx: y\r\n", "HTTP/1.1 102 Processing\r\n\r\n", DONE]) {
  Deno.test(`ConnectionPool.send() drops a connection after ${JSON.stringify(late)}`, async () => {
    await using server = scriptedServer(DONE, DONE);
    using pool = new ConnectionPool();
    await sendTo(pool, server, "GET");

    await server.sendLate(late);

    assertEquals(await sendTo(pool, server, "GET"), "200 ok");
    assertEquals(server.requests.map((line) => line[0]), ["1", "2"]);
  });
}

Deno.test("ConnectionPool closes a connection with surplus bytes at once", async () => {
  await using server = scriptedServer(`${DONE}surplus`);
  using pool = new ConnectionPool();

  await sendTo(pool, server, "GET");
  await server.whenClosed();

  assertEquals(server.closed, 1);
});

Deno.test("ConnectionPool closes an idle connection when the server does", async () => {
  await using server = scriptedServer(DONE);
  using pool = new ConnectionPool();
  await sendTo(pool, server, "GET");

  await server.endLate();

  assertEquals(server.closed, 1);
});

Deno.test("ConnectionPool closes connections to any host that are idle for too long", async () => {
  await using server = scriptedServer(DONE, DONE);
  await using other = scriptedServer(DONE);
  using pool = new ConnectionPool({ maxIdleMs: 0 });
  await sendTo(pool, server, "GET");

  await sendTo(pool, other, "GET");
  await server.whenClosed();

  assertEquals(await sendTo(pool, server, "GET"), "200 ok");
  assertEquals(server.requests.map((line) => line[0]), ["1", "2"]);
});

Deno.test("ConnectionPool.send() returns a body that keeps failing after a failure", async () => {
  await using server = scriptedServer("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", null);
  using pool = new ConnectionPool();
  const url = new URL(`http://${server.host}/`);
  const { signal } = new AbortController();
  const request = { method: "GET", url, headers: new Headers(), body: null, signal };
  const { body } = await pool.send({ ...request, watchdog: NO_WATCHDOG });
  await body?.read(new Uint8Array(9));

  const ended = assertRejects(async () => await body?.read(new Uint8Array(9)), Error, "closed");
  await server.endNow();
  await ended;

  await assertRejects(async () => await body?.read(new Uint8Array(9)), Error, "closed");
});

Deno.test("ConnectionPool.send() sends nothing to an address that is rejected", async () => {
  await using server = scriptedServer(DONE);
  using pool = new ConnectionPool();
  const addresses: string[] = [];

  await assertRejects(
    () =>
      pool.send({
        method: "GET",
        url: new URL(`http://${server.host}/`),
        headers: new Headers({ authorization: "secret" }),
        body: null,
        signal: new AbortController().signal,
        watchdog: NO_WATCHDOG,
        onConnect: (address) => {
          addresses.push(address);
          throw new Error("an unsafe address");
        },
      }),
    Error,
    "an unsafe address",
  );
  await server.whenClosed();

  assertEquals(addresses, ["127.0.0.1"]);
  assertEquals(server.received, "");
});

Deno.test("ConnectionPool.send() does not repeat a request over a new connection", async () => {
  await using server = scriptedServer(null, DONE);
  using pool = new ConnectionPool();

  await assertRejects(() => sendTo(pool, server, "GET"), Error, "connection closed");

  assertEquals(server.requests.length, 1);
});

Deno.test("ConnectionPool.send() does not repeat a streamed body", async () => {
  await using server = scriptedServer(DONE, null, DONE);
  using pool = new ConnectionPool();
  await sendTo(pool, server, "GET");

  await assertRejects(() => sendTo(pool, server, "PATCH", upload(3, "abc")));

  assertEquals(server.requests.length, 2);
});

Deno.test("ConnectionPool.send() returns a response that precedes the end of the body", async () => {
  await using server = scriptedServer(
    "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig",
    DONE,
  );
  using pool = new ConnectionPool();
  const endless: UploadSource = {
    size: 1000,
    read: () => new Promise(() => {}),
    cancel() {},
  };

  assertEquals(await sendTo(pool, server, "PATCH", endless), "413 big");
  assertEquals(await sendTo(pool, server, "GET"), "200 ok");

  assertEquals(server.requests.map((line) => line[0]), ["1", "2"]);
});

Deno.test("ConnectionPool.send() returns a response over TLS despite a reset after it", async () => {
  const { ca, cert, key } = await makeServerTls();
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  await using _server = serveConnections(listener, async (connection) => {
    await connection.read(new Uint8Array(1024));
    // Closing the connection resets it, as most of the body is not read.
    const text = "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig";
    await connection.write(new TextEncoder().encode(text));
  });
  using pool = new ConnectionPool();
  const chunk = new Uint8Array(262_144);
  const endless: UploadSource = {
    size: Number.MAX_SAFE_INTEGER,
    read: () => Promise.resolve(chunk),
    cancel() {},
  };

  const { status, body } = await pool.send({
    method: "PATCH",
    url: new URL(`https://127.0.0.1:${listener.addr.port}/`),
    headers: new Headers(),
    body: endless,
    signal: new AbortController().signal,
    watchdog: NO_WATCHDOG,
    caCerts: [ca],
  });
  const read = await body?.read(new Uint8Array(9));

  assertEquals([status, new TextDecoder().decode(read?.value)], [413, "big"]);
});

Deno.test("ConnectionPool.send() fails with the error of the body", async () => {
  await using server = scriptedServer(DONE);
  using pool = new ConnectionPool();
  const failing: UploadSource = {
    size: 3,
    read: () => Promise.reject(new Error("the source broke")),
    cancel() {},
  };

  await assertRejects(() => sendTo(pool, server, "PATCH", failing), Error, "the source broke");
});

Deno.test("ConnectionPool.send() ends when it is aborted", async () => {
  await using server = scriptedServer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok");
  using pool = new ConnectionPool();
  const controller = new AbortController();

  const sending = sendTo(pool, server, "GET", null, controller.signal);
  const rejected = assertRejects(() => sending);
  while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve));
  controller.abort();

  await rejected;
});

Deno.test("ConnectionPool keeps no connection after it is disposed of", async () => {
  await using server = scriptedServer(DONE);
  const pool = new ConnectionPool();
  const sending = sendTo(pool, server, "GET");

  pool[Symbol.dispose]();

  assertEquals(await sending, "200 ok");
});
