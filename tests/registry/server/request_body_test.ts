import { assertEquals, assertMatch } from "@std/assert";
import {
  MemoryRegistryContent,
  type RegistryServer,
  serveRegistry,
} from "../../../registry/mod.ts";
import { writeAll } from "../../_support/bytes.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { noise } from "../../_support/tar.ts";
import { contentWith } from "./_content.ts";
import { IDLE_MS, talk } from "./_talk.ts";

async function beginUpload({ url }: RegistryServer): Promise<string> {
  const begun = await fetch(`${url}/v2/a/blobs/uploads/`, { method: "POST" });
  await begun.body?.cancel();
  return begun.headers.get("location") ?? "";
}

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
