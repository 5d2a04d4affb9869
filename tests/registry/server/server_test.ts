import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { basicAuthentication, type RegistryContent, serveRegistry } from "../../../registry/mod.ts";
import { byteStream } from "../../../store/host/byte_stream.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { file, noise, tar } from "../../_support/tar.ts";
import { contentWith } from "./_content.ts";
import { talk } from "./_talk.ts";

const layer = tar(file("data", noise(3_000_000)));
const image = buildImage({ layers: [layer], compression: "none" });
const content = new MemoryContent().add("app", "v1", image);
const blobPath = `/v2/app/blobs/${image.layers[0]?.descriptor.digest}`;

Deno.test("serveRegistry() serves the exact bytes, with their length", async () => {
  await using server = await serveRegistry(content);

  const response = await fetch(`${server.url}${blobPath}`);

  assertMatch(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assertEquals(response.headers.get("content-length"), String(layer.length));
  assertEquals(await response.bytes(), layer);
});

Deno.test("serveRegistry() does not compress a manifest", async () => {
  await using server = await serveRegistry(content);
  const headers = { "accept-encoding": "gzip, br" };

  const response = await fetch(`${server.url}/v2/app/manifests/v1`, { headers });

  assertEquals(response.headers.get("content-encoding"), null);
  assertEquals(response.headers.get("etag"), `"${image.descriptor.digest}"`);
  assertEquals(await response.bytes(), image.bytes);
});

Deno.test("serveRegistry() sends the length in the response to HEAD", async () => {
  await using server = await serveRegistry(content);

  const response = await fetch(`${server.url}${blobPath}`, { method: "HEAD" });

  assertEquals(response.headers.get("content-length"), String(layer.length));
  assertEquals((await response.bytes()).length, 0);
});

Deno.test.each([
  { name: "an invalid Host", head: "GET /v2/ HTTP/1.1\r\nHost: a b" },
  { name: "two hosts", head: "GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b" },
  { name: "two hosts and an absolute address", head: "GET http://a/v2/ HTTP/1.1\r\nHost: a, b" },
  { name: "a method that a Request cannot have", head: "TRACE /v2/ HTTP/1.1\r\nHost: a" },
])("serveRegistry() rejects a request with $name", async ({ head }) => {
  await using server = await serveRegistry(content);

  const answer = await talk(server, `${head}\r\nConnection: close\r\n\r\n`);

  assertMatch(answer, /^HTTP\/1.1 400 .*Host header of the request is invalid/s);
});

Deno.test("serveRegistry() survives a client that disconnects in the middle", async () => {
  await using server = await serveRegistry(content);

  const gone = await fetch(`${server.url}${blobPath}`);
  await gone.body?.cancel();
  const next = await fetch(`${server.url}${blobPath}`, { headers: { range: "bytes=0-9" } });

  assertEquals(await next.bytes(), layer.slice(0, 10));
});

Deno.test("serveRegistry() reads a blob no faster than its client", async () => {
  const { endless, state } = endlessContent();
  await using server = await serveRegistry(endless);

  const slow = await fetch(`${server.url}${blobPath}`);
  const reader = slow.body?.getReader();
  await reader?.read();
  for (let i = 0; i < 20; i++) {
    const other = await fetch(`${server.url}/v2/`);
    await other.body?.cancel();
  }

  assert(state.pulled < 64 * 1024 * 1024, `${state.pulled} bytes for a client that reads none`);
  await reader?.cancel();
});

Deno.test("serveRegistry() sends a blob from one buffer, even to a slow client", async () => {
  const rooms = new Set<number>();
  let at = 0;
  const open = () => {
    const read = (buffer: Uint8Array) => {
      rooms.add(buffer.length);
      const part = layer.subarray(at, at + buffer.length);
      buffer.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    };
    return Promise.resolve(byteStream({ read, close() {}, cancel() {} }, { chunkBytes: 1_000 }));
  };
  await using server = await serveRegistry(
    {
      repositories: () => content.repositories(),
      tags: (name) => content.tags(name),
      resolve: (name, reference) => content.resolve(name, reference),
      size: (name, digest) => content.size(name, digest),
      referrers: (name, digest) => content.referrers(name, digest),
      open,
    } satisfies RegistryContent,
  );

  const { body } = await fetch(`${server.url}${blobPath}`);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    // The server continues as long as the network accepts bytes.
    await new Promise<void>((resolve) => setTimeout(resolve));
  }

  assertEquals(await new Blob(chunks).bytes(), layer);
  assertEquals([...rooms], [256 * 1024]);
});

Deno.test("serveRegistry() ends running requests when it is disposed of", async () => {
  const { endless, state } = endlessContent();
  const server = await serveRegistry(endless);
  const response = await fetch(`${server.url}${blobPath}`);

  await server[Symbol.asyncDispose]();

  await assertRejects(() => response.bytes(), TypeError);
  assert(state.canceled);
});

Deno.test("serveRegistry() does not start if the signal is already aborted", async () => {
  const signal = AbortSignal.abort(new Error("stop"));

  await assertRejects(() => serveRegistry(content, { signal }), Error, "stop");
});

Deno.test("serveRegistry() stops when its signal is aborted", async () => {
  const stop = new AbortController();
  await using server = await serveRegistry(content, { signal: stop.signal });

  stop.abort();
  await server.finished;

  await assertRejects(() => fetch(`${server.url}/v2/`), TypeError);
});

Deno.test("serveRegistry() stops if its signal is aborted while it starts", async () => {
  const stop = new AbortController();
  const starting = serveRegistry(content, { signal: stop.signal });

  stop.abort();
  await using server = await starting;

  await assertRejects(() => fetch(`${server.url}/v2/`), TypeError);
});

Deno.test("serveRegistry() refuses a certificate without a key", async () => {
  await assertRejects(
    () => serveRegistry(content, { cert: "x" }),
    TypeError,
    '"key" is missing',
  );
});

Deno.test.each([
  { name: "no credentials", authorization: undefined, status: 401 },
  { name: "a wrong password", authorization: `Basic ${btoa("ann:no")}`, status: 401 },
  { name: "no colon", authorization: `Basic ${btoa("ann")}`, status: 401 },
  { name: "no base64", authorization: "Basic !", status: 401 },
  { name: "another scheme", authorization: `Bearer ${btoa("ann:a:b")}`, status: 401 },
  { name: "the right password", authorization: `basic ${btoa("ann:a:b")}`, status: 200 },
])("basicAuthentication() answers $status to $name", async ({ authorization, status }) => {
  const authenticate = basicAuthentication((name, word) => name === "ann" && word === "a:b");
  await using server = await serveRegistry(content, { authenticate });

  const response = await fetch(`${server.url}/v2/`, {
    headers: authorization === undefined ? {} : { authorization },
  });
  await response.body?.cancel();

  assertEquals(response.status, status);
  assertEquals(
    response.headers.get("www-authenticate"),
    status === 401 ? 'Basic realm="oci", charset="UTF-8"' : null,
  );
});

/** Content with an endless blob, and the number of bytes read. */
function endlessContent() {
  const state = { pulled: 0, canceled: false };
  const endless = contentWith({
    repositories: () => Promise.resolve(["app"]),
    size: () => Promise.resolve(1e12),
    open: () =>
      Promise.resolve(
        new ReadableStream({
          pull(controller) {
            const chunk = new Uint8Array(64 * 1024);
            state.pulled += chunk.length;
            controller.enqueue(chunk);
          },
          cancel() {
            state.canceled = true;
          },
        }),
      ),
  });
  return { endless, state };
}
