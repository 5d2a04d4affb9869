import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { digestOf } from "../../spec/mod.ts";
import {
  badGateway,
  busy,
  cut,
  digestHeader,
  drop,
  endless,
  extraBytes,
  type Fault,
  faultyRegistry,
  gzipEncoded,
  ignoreRange,
  missingBytes,
  on,
  oversized,
  redirect,
  redirectLoop,
  refuseRange,
  registryError,
  signedUrls,
  stall,
  trickle,
  truncated,
  withHeaders,
  wrongByte,
  wrongContentRange,
  wrongLength,
  wrongRange,
} from "../_support/faulty_registry.ts";
import { buildImage, MemoryContent, nestedIndex } from "../_support/image.ts";
import { file, gzip, noise, tar } from "../_support/tar.ts";

const layer = tar(file("data", noise(300_000)));
const image = buildImage({ layers: [layer], compression: "none" });
const content = new MemoryContent().add("app", "v1", image);
const manifestPath = "/v2/app/manifests/v1";
const blobPath = `/v2/app/blobs/${image.layers[0]?.descriptor.digest}`;

Deno.test("faultyRegistry() without faults is a registry, and records the requests", async () => {
  await using registry = faultyRegistry(content);

  const manifest = await fetch(registry.url + manifestPath, { headers: { "x-test": "yes" } });
  const blob = await fetch(registry.url + blobPath);

  assertEquals(await manifest.bytes(), image.bytes);
  assertEquals(await blob.bytes(), layer);
  assertEquals(registry.seen(), [`GET ${manifestPath}`, `GET ${blobPath}`]);
  assertEquals(registry.bytesSent("blob"), layer.length);
  const [first] = registry.requests;
  assertEquals([first?.kind, first?.status, first?.headers.get("x-test")], [
    "manifest",
    200,
    "yes",
  ]);
});

Deno.test("on() picks requests by kind, method, path and number", async () => {
  await using registry = faultyRegistry(content, [
    on({ kind: "manifest", method: "GET", nth: 2 }, busy(503)),
    on({ method: "HEAD", times: 1 }, registryError(405, "UNSUPPORTED")),
    on({ path: /tags/ }, badGateway()),
  ]);
  const status = async (path: string, method = "GET") => {
    const response = await fetch(registry.url + path, { method });
    await response.body?.cancel();
    return response.status;
  };

  assertEquals(await status(manifestPath), 200);
  assertEquals(await status(manifestPath), 503);
  assertEquals(await status(manifestPath), 200);
  assertEquals(await status(manifestPath, "HEAD"), 405);
  assertEquals(await status(manifestPath, "HEAD"), 200);
  assertEquals(await status("/v2/app/tags/list"), 502);
  registry.heal();
  assertEquals(await status("/v2/app/tags/list"), 200);
});

/** Response to one request, for assertions. */
async function look(fault: Fault, path = blobPath, headers: HeadersInit = {}) {
  await using registry = faultyRegistry(content, [on({}, fault)]);
  const response = await fetch(registry.url + path, {
    headers: { "accept-encoding": "identity", ...headers },
    redirect: "manual",
  });
  return { status: response.status, headers: response.headers, bytes: await response.bytes() };
}

Deno.test.each([
  { name: "busy() with seconds", fault: busy(429, 7), status: 429, after: "7" },
  {
    name: "busy() with a date",
    fault: busy(503, new Date(0)),
    status: 503,
    after: "Thu, 01 Jan 1970 00:00:00 GMT",
  },
  { name: "busy() without a time", fault: busy(503), status: 503, after: null },
])("$name says when to retry", async ({ fault, status, after }) => {
  const seen = await look(fault);

  assertEquals([seen.status, seen.headers.get("retry-after")], [status, after]);
});

Deno.test("badGateway() is a page of HTML", async () => {
  const { status, headers, bytes } = await look(badGateway());

  assertEquals([status, headers.get("content-type")], [502, "text/html"]);
  assert(new TextDecoder().decode(bytes).startsWith("<html>"));
});

Deno.test.each([
  { name: "cut()", fault: cut(1000) },
  { name: "drop()", fault: drop() },
  { name: "wrongLength() of too many", fault: wrongLength(5) },
])("$name breaks the connection", async ({ fault }) => {
  await assertRejects(() => look(fault), TypeError);
});

Deno.test("cut() sends the given number of bytes of each response", async () => {
  await using registry = faultyRegistry(content, [on("blob", cut(100_000))]);
  let got = 0;
  while (got < layer.length && registry.requests.length < 10) {
    const headers = { range: `bytes=${got}-` };
    const response = await fetch(registry.url + blobPath, { headers });
    try {
      for await (const chunk of response.body ?? []) got += chunk.length;
    } catch (error) {
      assert(error instanceof TypeError);
    }
  }

  assertEquals(got, layer.length);
  assertEquals(registry.bytesSent("blob"), layer.length);
  assertEquals(registry.requests.length, Math.ceil(layer.length / 100_000));
});

Deno.test("wrongLength() with too small a length ends at that length", async () => {
  const { bytes } = await look(wrongLength(-5));

  assertEquals(bytes, layer.slice(0, -5));
});

Deno.test.each([
  { name: "stall() sends no head", fault: stall(), sent: 0 },
  { name: "stall(n) sends n bytes", fault: stall(1000), sent: 1000 },
])("$name and then nothing, and ends with the registry", async ({ fault, sent }) => {
  const heard = Promise.withResolvers<void>();
  const arrived: Fault = (request, next) => {
    if (sent === 0) heard.resolve();
    return fault(request, next);
  };
  const registry = faultyRegistry(content, [on({}, arrived)]);
  let got = 0;
  const reading = (async () => {
    const response = await fetch(registry.url + blobPath);
    for await (const chunk of response.body ?? []) {
      got += chunk.length;
      if (got >= sent) heard.resolve();
    }
  })();
  const failing = assertRejects(() => reading, TypeError);

  await heard.promise;
  await registry[Symbol.asyncDispose]();
  await failing;

  assertEquals(got, sent);
});

Deno.test("stall() ends when the client gives up", async () => {
  await using registry = faultyRegistry(content, [on("blob", stall(10))]);
  const abort = new AbortController();

  const response = await fetch(registry.url + blobPath, { signal: abort.signal });
  const reading = assertRejects(() => response.bytes(), DOMException);
  abort.abort();
  await reading;
  registry.heal();

  assertEquals(await (await fetch(registry.url + blobPath)).bytes(), layer);
});

Deno.test("trickle() sends everything, a little at a time", async () => {
  const { bytes } = await look(trickle(200, 1), manifestPath);

  assertEquals(bytes, image.bytes);
});

Deno.test("trickle() ends with the registry", async () => {
  const registry = faultyRegistry(content, [on("blob", trickle(1, 3_600_000))]);
  const response = await fetch(registry.url + blobPath);
  const reader = response.body?.getReader();

  const first = await reader?.read();
  await registry[Symbol.asyncDispose]();

  assertEquals(first?.value?.length, 1);
  await assertRejects(() => reader?.read() ?? Promise.resolve(), TypeError);
});

Deno.test.each([
  { name: "extraBytes()", fault: extraBytes(1), size: layer.length + 1 },
  { name: "missingBytes()", fault: missingBytes(1), size: layer.length - 1 },
  { name: "truncated()", fault: truncated(10), size: 10 },
  { name: "oversized()", fault: oversized(500_000), size: 500_000 },
])("$name sends a body of another size, and ends properly", async ({ fault, size }) => {
  const { bytes, headers } = await look(fault);

  assertEquals([bytes.length, headers.get("content-length")], [size, String(size)]);
});

Deno.test("wrongByte() changes one byte of the content, of a range too", async () => {
  const whole = await look(wrongByte(1000));
  const part = await look(wrongByte(1000), blobPath, { range: "bytes=990-1009" });
  const elsewhere = await look(wrongByte(1000), blobPath, { range: "bytes=1001-1009" });

  assertEquals(whole.bytes.length, layer.length);
  assertEquals(whole.bytes.findIndex((byte, i) => byte !== layer[i]), 1000);
  assertEquals(whole.bytes.findLastIndex((byte, i) => byte !== layer[i]), 1000);
  assertEquals(part.bytes, whole.bytes.slice(990, 1010));
  assertEquals(elsewhere.bytes, layer.slice(1001, 1010));
});

Deno.test("endless() sends without a length and without an end", async () => {
  await using registry = faultyRegistry(content, [on("manifest", endless())]);
  const response = await fetch(registry.url + manifestPath);
  let got = 0;
  for await (const chunk of response.body ?? []) {
    got += chunk.length;
    if (got > 1_000_000) break;
  }

  assertEquals(response.headers.get("content-length"), null);
});

Deno.test("gzipEncoded() encodes the body although the client accepts only identity", async () => {
  const { bytes, headers } = await look(gzipEncoded(), manifestPath);

  assertEquals(headers.get("content-encoding"), "gzip");
  assertEquals(bytes, gzip(image.bytes));
});

Deno.test.each([
  { name: "another digest", value: digestOf(new Uint8Array()) },
  { name: "none", value: undefined },
])("digestHeader() says $name", async ({ value }) => {
  const { headers } = await look(digestHeader(value), manifestPath);

  assertEquals(headers.get("docker-content-digest"), value ?? null);
});

Deno.test("withHeaders() sets and removes", async () => {
  const { headers } = await look(withHeaders({ etag: undefined, warning: '299 - "old"' }));

  assertEquals([headers.get("etag"), headers.get("warning")], [null, '299 - "old"']);
});

Deno.test.each([
  { name: "ignoreRange()", fault: ignoreRange(), status: 200, range: null, start: 0 },
  { name: "wrongRange()", fault: wrongRange(-5), status: 206, range: "bytes 5-", start: 5 },
  {
    name: "wrongContentRange()",
    fault: wrongContentRange(3),
    status: 206,
    range: "bytes 13-",
    start: 10,
  },
])("$name lies about a range", async ({ fault, status, range, start }) => {
  const seen = await look(fault, blobPath, { range: "bytes=10-" });

  assertEquals(seen.status, status);
  assertEquals(seen.headers.get("content-range")?.replace(/-.*/, "-") ?? null, range);
  assertEquals(seen.bytes, layer.slice(start));
});

Deno.test("refuseRange() answers 416 to a range alone", async () => {
  const ranged = await look(refuseRange(), blobPath, { range: "bytes=10-" });
  const whole = await look(refuseRange());

  assertEquals([ranged.status, ranged.headers.get("content-range")], [416, "bytes */*"]);
  assertEquals(whole.bytes, layer);
});

Deno.test("redirect() leads to another origin", async () => {
  await using store = faultyRegistry(content);
  await using registry = faultyRegistry(content, [on("blob", redirect(store.url))]);

  const response = await fetch(registry.url + blobPath);

  assertEquals(await response.bytes(), layer);
  assertEquals(store.seen("blob"), [`GET ${blobPath}`]);
});

Deno.test("signedUrls() leads to URLs that expire", async () => {
  const signed = signedUrls({ uses: 1 });
  await using store = faultyRegistry(content, [on({}, signed.check)]);
  await using registry = faultyRegistry(content, [on("blob", signed.redirect(store.url))]);
  const locate = async () => {
    const response = await fetch(registry.url + blobPath, { redirect: "manual" });
    await response.body?.cancel();
    return response.headers.get("location") ?? "";
  };
  const status = async (url: string) => {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.status;
  };

  const first = await locate();
  const second = await locate();

  assertEquals([await status(first), await status(first), await status(second)], [200, 403, 200]);
  assertNotEquals(first, second);
  const third = await locate();
  signed.expire();
  assertEquals(await status(third), 403);
});

Deno.test("redirectLoop() never arrives", async () => {
  await using registry = faultyRegistry(content, [on("blob", redirectLoop())]);
  let url = registry.url + blobPath;
  for (let i = 0; i < 12; i++) {
    const response = await fetch(url, { redirect: "manual" });
    await response.body?.cancel();
    assertEquals(response.status, 307);
    url = response.headers.get("location") ?? "";
  }

  assertEquals(new Set(registry.seen()).size, 12);
});

Deno.test("nestedIndex() has the requested depth", async () => {
  const deep = nestedIndex(12, image);
  await using registry = faultyRegistry(new MemoryContent().add("app", "deep", deep));
  let reference = "deep";
  let depth = 0;
  while (depth < 20) {
    const response = await fetch(`${registry.url}/v2/app/manifests/${reference}`);
    const { manifests } = await response.json();
    if (manifests === undefined) break;
    reference = manifests[0].digest;
    depth++;
  }

  assertEquals([depth, reference], [12, image.descriptor.digest]);
});
