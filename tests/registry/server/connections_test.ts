import { Socket } from "node:net";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  MemoryRegistryContent,
  type RegistryServer,
  serveRegistry,
} from "../../../registry/mod.ts";
import { ClientConnection } from "../../../registry/server/_client_connection.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { noise } from "../../_support/tar.ts";
import { contentWith } from "./_content.ts";

/** Timeout of connections, for tests with manual time. */
const IDLE_MS = 60_000;

/** Sends bytes, and reads until the server closes the connection. */
async function talk(
  { host }: RegistryServer,
  text: string,
  onText: (received: string) => void = () => {},
): Promise<string> {
  using connection = await Deno.connect({ port: Number(host.slice(host.lastIndexOf(":") + 1)) });
  await connection.write(new TextEncoder().encode(text));
  let received = "";
  try {
    for await (const chunk of connection.readable.pipeThrough(new TextDecoderStream())) {
      received += chunk;
      onText(received);
    }
    return received;
  } catch (error) {
    // It was closed with unread bytes.
    if (error instanceof Deno.errors.ConnectionReset) return "";
    throw error;
  }
}

async function beginUpload({ url }: RegistryServer): Promise<string> {
  const begun = await fetch(`${url}/v2/a/blobs/uploads/`, { method: "POST" });
  await begun.body?.cancel();
  return begun.headers.get("location") ?? "";
}

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

Deno.test.each([
  { name: "a declared body", head: "Content-Length: 10\r\n\r\nabc" },
  { name: "a chunked body", head: "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" },
])("serveRegistry() closes a connection that stops in $name", async ({ head }) => {
  using time = manualTime();
  const statuses: number[] = [];
  const begun = Promise.withResolvers<void>();
  await using server = await serveRegistry(new SlowContent(begun.resolve), {
    idleTimeoutMs: IDLE_MS,
    onRequest: ({ status }) => statuses.push(status),
  });
  const path = await beginUpload(server);

  const talking = talk(server, `PATCH ${path} HTTP/1.1\r\nHost: a\r\n${head}`);
  await begun.promise;
  await time.passUntil(IDLE_MS, talking);
  const status = await fetch(`${server.url}${path}`);

  assertEquals(status.headers.get("range"), "0-2");
  assertEquals(statuses.sort(), [202, 204, 400]);
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

  assertMatch(answer, /^HTTP\/1.1 400 .*the Host header has no host/s);
});

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

Deno.test("serveRegistry() rejects a large body without reading it", async () => {
  await using server = await serveRegistry(undefined, { maxManifestBytes: 1000 });
  const large = noise(3_000_000);

  const response = await fetch(`${server.url}/v2/a/manifests/v1`, { method: "PUT", body: large });

  assertEquals(response.status, 413);
  assertEquals(response.headers.get("connection"), "close");
  assertEquals((await response.json()).errors[0].code, "SIZE_INVALID");
});

Deno.test("serveRegistry() sends 100 Continue only if it reads the body", async () => {
  using time = manualTime();
  const asked = Promise.withResolvers<void>();
  await using server = await serveRegistry(undefined, {
    authenticate: ({ headers }) =>
      headers.has("authorization") ? undefined : new Response(null, { status: 401 }),
    idleTimeoutMs: IDLE_MS,
  });
  const head = (more: string) =>
    "PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" +
    `Expect: 100-continue\r\nContent-Length: 4\r\n${more}\r\n`;

  assertMatch(await talk(server, head("")), /^HTTP\/1.1 401 /);
  const talking = talk(server, head("Authorization: x\r\n"), () => asked.resolve());
  await asked.promise;
  assertMatch(await time.passUntil(IDLE_MS, talking), /^HTTP\/1.1 100 Continue\r\n/);
});

Deno.test("serveRegistry() accepts a streamed blob", async () => {
  await using server = await serveRegistry();
  const bytes = noise(3_000_000, 4);
  const path = await beginUpload(server);

  const patched = await fetch(`${server.url}${path}`, {
    method: "PATCH",
    body: ReadableStream.from([bytes.slice(0, 1_000_000), bytes.slice(1_000_000)]),
  });
  await patched.body?.cancel();

  assertEquals([patched.status, patched.headers.get("range")], [202, "0-2999999"]);
});

Deno.test("serveRegistry() discards unfinished uploads when it is disposed of", async () => {
  const { content, canceled } = cancelable();
  {
    await using server = await serveRegistry(content);
    await beginUpload(server);
    await beginUpload(server);
  }

  assertEquals(canceled(), 2);
});

/** Content that counts the uploads that are canceled. */
function cancelable() {
  let count = 0;
  const none = () => Promise.reject(new Error("not called"));
  return {
    canceled: () => count,
    content: {
      ...contentWith({ repositories: () => Promise.resolve([]), open: none }),
      mount: () => Promise.resolve(false),
      putManifest: none,
      deleteTag: none,
      deleteManifest: none,
      deleteBlob: none,
      beginUpload: () =>
        Promise.resolve({
          size: 0,
          write: () => {},
          commit: none,
          cancel: () => {
            count++;
            return Promise.resolve();
          },
        }),
    },
  };
}

Deno.test("serveRegistry() keeps the received bytes of an interrupted upload", async () => {
  const bytes = noise(3 * 1024 * 1024);
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  await using server = await serveRegistry(new SlowContent(resolve));
  const path = await beginUpload(server);
  {
    using connection = await Deno.connect({ port: Number(server.host.split(":")[1]) });
    const head = `PATCH ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${2 * bytes.length}\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head));
    await writeAll(connection, bytes);
    await begun;
  }

  const status = await fetch(`${server.url}${path}`);

  assertEquals(status.headers.get("range"), `0-${bytes.length - 1}`);
});

/** Content that stores more slowly than bytes arrive. */
class SlowContent extends MemoryRegistryContent {
  readonly #onWrite: () => void;

  constructor(onWrite: () => void) {
    super();
    this.#onWrite = onWrite;
  }

  override async beginUpload(...args: Parameters<MemoryRegistryContent["beginUpload"]>) {
    const upload = await super.beginUpload(...args);
    return {
      get size() {
        return upload.size;
      },
      write: async (chunk: Uint8Array<ArrayBuffer>) => {
        this.#onWrite();
        await new Promise((resolve) => setTimeout(resolve));
        await upload.write(chunk);
      },
      commit: upload.commit.bind(upload),
      cancel: upload.cancel.bind(upload),
    };
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

Deno.test("serveRegistry() cancels a body whose client left before the response began", async () => {
  const opened = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const canceled = Promise.withResolvers<void>();
  await using server = await serveRegistry(contentWith({
    size: () => Promise.resolve(10),
    open: async () => {
      opened.resolve();
      await left.promise;
      return new ReadableStream({ cancel: () => canceled.resolve() }, { highWaterMark: 0 });
    },
  }));
  const path = `/v2/a/blobs/sha256:${"0".repeat(64)}`;
  {
    using connection = await Deno.connect({ port: Number(server.host.split(":")[1]) });
    await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
    await opened.promise;
  }
  // The server has noticed that the first client left when it has answered the next one.
  await (await fetch(`${server.url}/v2/`)).body?.cancel();
  left.resolve();

  await canceled.promise;
});

Deno.test("ClientConnection starts no timer after its socket has closed", () => {
  const socket = new Socket();
  const connection = new ClientConnection(socket, IDLE_MS);
  connection.awaitData();
  connection.begin(socket);

  connection.close();
  connection.end();

  // A leftover timer would fail the test.
  socket.destroy();
});
