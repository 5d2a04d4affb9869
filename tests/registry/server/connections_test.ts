import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Socket } from "node:net";
import { serveRegistry } from "../../../registry/mod.ts";
import { ClientConnection } from "../../../registry/server/_client_connection.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { contentWith } from "./_content.ts";
import { IDLE_MS, talk } from "./_talk.ts";

Deno.test.each([
  { name: "nothing", text: "", answer: /^$/ },
  { name: "half a head", text: "GET /v2/ HTTP/1.1\r\nHo", answer: /^$/ },
  {
    name: "one request and no other",
    text: "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
    answer: /^HTTP\/1.1 200 /,
  },
])("serveRegistry() closes a connection that sends $name", async ({ text, answer }) => {
  using time = manualTime();
  const answered = Promise.withResolvers<void>();
  await using server = await serveRegistry(undefined, { idleTimeoutMs: IDLE_MS });

  const talking = talk(server, text, () => answered.resolve());
  if (answer.test("HTTP/1.1 200 ")) await answered.promise;

  assertMatch(await time.passUntil(IDLE_MS, talking), answer);
});

Deno.test("serveRegistry() closes a connection that does not read", async () => {
  using time = manualTime();
  const [opened, canceled] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const chunk = new Uint8Array(256 * 1024);
  await using server = await serveRegistry(
    contentWith({
      size: () => Promise.resolve(1e12),
      open: () =>
        Promise.resolve(
          new ReadableStream({
            pull: (controller) => {
              opened.resolve();
              controller.enqueue(chunk.slice());
            },
            cancel: () => canceled.resolve(),
          }, { highWaterMark: 0 }),
        ),
    }),
    { idleTimeoutMs: IDLE_MS },
  );
  using connection = await Deno.connect({ port: Number(server.host.split(":")[1]) });
  const path = `/v2/a/blobs/sha256:${"0".repeat(64)}`;

  await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
  await opened.promise;

  await time.passUntil(IDLE_MS, canceled.promise);
});

/** Content whose list of repositories waits for the test. */
function slowCatalog() {
  const asked = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<readonly string[]>();
  const content = contentWith({
    repositories: () => {
      asked.resolve();
      return ready.promise;
    },
  });
  return { content, asked, ready };
}

Deno.test("serveRegistry() waits for slow content without a timeout", async () => {
  using time = manualTime();
  const { content, asked, ready } = slowCatalog();
  await using server = await serveRegistry(content, { idleTimeoutMs: IDLE_MS });
  // Another connection begins and ends in the meantime.
  const response = fetch(`${server.url}/v2/_catalog`);
  await asked.promise;
  await time.passUntil(IDLE_MS, talk(server, ""));
  await time.passUntil(IDLE_MS, talk(server, ""));
  ready.resolve(["a"]);

  assertEquals(await (await response).json(), { repositories: ["a"] });
});

Deno.test("serveRegistry() answers pipelined requests", async () => {
  using time = manualTime();
  const { content, asked, ready } = slowCatalog();
  await using server = await serveRegistry(content, { idleTimeoutMs: IDLE_MS });
  const head = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

  const answered = Promise.withResolvers<void>();
  const answers = talk(server, head("/v2/") + head("/v2/_catalog"), (received) => {
    if (received.includes("repositories")) answered.resolve();
  });
  await asked.promise;
  await time.passUntil(IDLE_MS, talk(server, ""));
  await time.passUntil(IDLE_MS, talk(server, ""));
  ready.resolve(["a"]);

  await answered.promise;
  assertMatch(
    await time.passUntil(IDLE_MS, answers),
    /^HTTP\/1.1 200 .*\{\}HTTP\/1.1 200 .*\{"repositories":\["a"\]\}$/s,
  );
});

Deno.test("serveRegistry() processes pipelined requests one at a time", async () => {
  let open = 0;
  let most = 0;
  const content = contentWith({
    size: () => Promise.resolve(10),
    open: () => {
      most = Math.max(most, ++open);
      const bytes = new Uint8Array(10);
      return Promise.resolve(
        new ReadableStream({
          pull: (controller) => {
            controller.enqueue(bytes);
            controller.close();
            open--;
          },
        }, { highWaterMark: 0 }),
      );
    },
  });
  await using server = await serveRegistry(content, { idleTimeoutMs: 200 });
  const request = `GET /v2/a/blobs/sha256:${"0".repeat(64)} HTTP/1.1\r\nHost: a\r\n\r\n`;

  const few = await talk(server, request.repeat(50));
  const many = await talk(server, request.repeat(500));

  assertEquals(few.match(/HTTP\/1.1 200/g)?.length, 50);
  assert((many.match(/HTTP\/1.1 200/g)?.length ?? 0) < 500);
  assertEquals(most, 1);
});

Deno.test.each([
  { host: "a/v2/b/tags/list?" },
  { host: "a#" },
  { host: "b@a" },
  { host: "a b" },
  { host: "[a]" },
])('serveRegistry() refuses the host "$host"', async ({ host }) => {
  await using server = await serveRegistry(undefined, { idleTimeoutMs: 200 });

  const answer = await talk(server, `GET /v2/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`);

  assertMatch(answer, /^HTTP\/1.1 400 .*the Host header of the request is invalid/s);
});

Deno.test.each([{ coding: "gzip, chunked", status: 501 }, { coding: "Chunked", status: 202 }])(
  'serveRegistry() answers $status to the transfer coding "$coding"',
  async ({ coding, status }) => {
    await using server = await serveRegistry(undefined, { idleTimeoutMs: 200 });
    const head = `POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${coding}`;

    const answer = await talk(server, `${head}\r\n\r\n3\r\nfoo\r\n0\r\n\r\n`);

    assertMatch(answer, new RegExp(`^HTTP/1.1 ${status} `));
  },
);

Deno.test("serveRegistry() closes connections beyond maxConnections, and recovers", async () => {
  using time = manualTime();
  const answered = Promise.withResolvers<void>();
  await using server = await serveRegistry(undefined, {
    maxConnections: 2,
    idleTimeoutMs: IDLE_MS,
  });
  const request = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";
  const first = talk(server, "");
  const second = talk(server, "");

  const third = await talk(server, request);
  await time.passUntil(IDLE_MS, Promise.all([first, second]));
  const talking = talk(server, request, () => answered.resolve());
  await answered.promise;
  const fourth = await time.passUntil(IDLE_MS, talking);

  assertEquals(third, "");
  assertMatch(fourth, /^HTTP\/1.1 200 /);
});

Deno.test.each([{ option: { maxConnections: 0 } }, { option: { idleTimeoutMs: 0.5 } }])(
  "serveRegistry() refuses $option",
  async ({ option }) => {
    const [name = ""] = Object.keys(option);

    await assertRejects(() => serveRegistry(undefined, option), RangeError, name);
  },
);

Deno.test("ClientConnection starts no timer after its socket has closed", () => {
  const socket = new Socket();
  const connection = new ClientConnection(socket, IDLE_MS);
  connection.awaitData();
  connection.beginRequest(socket);

  connection.onClose();
  connection.endRequest();

  // A leftover timer would fail the test.
  socket.destroy();
});
