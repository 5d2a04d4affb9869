import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type BlobUpload,
  createRegistryHandler,
  MemoryRegistryContent,
} from "../../../registry/mod.ts";
import { digestOf } from "../../../spec/mod.ts";
import { buildImage, buildIndex, MemoryContent } from "../../_support/image.ts";
import { file, noise, tar } from "../../_support/tar.ts";
import { KINDS, makeRegistry } from "./_pushing.ts";

const image = buildImage({ layers: [tar(file("data", noise(50_000)))], compression: "none" });
const index = buildIndex([image, buildImage({ platform: "linux/arm64", layers: [noise(900, 1)] })]);
const bytes = noise(10_000, 7);
const digest = digestOf(bytes);

Deno.test.each(KINDS)("createRegistryHandler() stores an image in $kind", async ({ kind }) => {
  await using registry = await makeRegistry(kind);

  await registry.push("team/app", "v1", index);
  const manifest = await registry.send("GET", "/team/app/manifests/v1");
  const layer = image.layers[0]?.descriptor.digest;
  const blob = await registry.send("GET", `/team/app/blobs/${layer}`);
  const catalog = await registry.send("GET", "/_catalog");

  assertEquals(manifest.headers.get("docker-content-digest"), index.descriptor.digest);
  assertEquals(await manifest.bytes(), index.bytes);
  assertEquals(await blob.bytes(), image.layers[0]?.bytes);
  assertEquals(await catalog.json(), { repositories: ["team/app"] });
});

Deno.test.each(KINDS)(
  "createRegistryHandler() stores a blob in $kind chunk by chunk",
  async ({ kind }) => {
    await using registry = await makeRegistry(kind);
    const begun = await registry.send("POST", "/a/blobs/uploads/");
    const path = begun.headers.get("location")?.slice("/v2".length) ?? "";

    const first = await registry.send("PATCH", path, {
      headers: { "content-range": "0-3999" },
      body: bytes.slice(0, 4000),
    });
    const wrong = await registry.send("PATCH", path, {
      headers: { "content-range": "5000-9999" },
      body: bytes.slice(5000),
    });
    const status = await registry.send("GET", path);
    const second = await registry.send("PATCH", path, { body: bytes.slice(4000, 9000) });
    const last = await registry.send("PUT", `${path}?digest=${digest}`, {
      headers: { "content-range": "9000-9999" },
      body: bytes.slice(9000),
    });
    const blob = await registry.send("GET", `/a/blobs/${digest}`);

    assertEquals([begun.status, begun.headers.get("range")], [202, "0-0"]);
    assertEquals([first.status, first.headers.get("range")], [202, "0-3999"]);
    assertEquals([wrong.status, wrong.headers.get("range")], [416, "0-3999"]);
    assertEquals([status.status, status.headers.get("range")], [204, "0-3999"]);
    assertEquals([second.status, second.headers.get("range")], [202, "0-8999"]);
    assertEquals([last.status, last.headers.get("location")], [201, `/v2/a/blobs/${digest}`]);
    assertEquals(await blob.bytes(), bytes);
    assert(begun.headers.get("docker-upload-uuid") !== null);
  },
);

Deno.test.each([
  { name: "read-only content", options: {}, content: new MemoryContent() },
  { name: "readOnly", options: { readOnly: true }, content: new MemoryRegistryContent() },
])("createRegistryHandler() refuses pushes with $name", async ({ options, content }) => {
  await using handler = createRegistryHandler(content, options);

  for (const [method, path] of [["POST", "blobs/uploads/"], ["PUT", "manifests/v1"]] as const) {
    const response = await handler(new Request(`http://localhost/v2/a/${path}`, { method }));

    assertEquals(response.status, 405);
    assertEquals((await response.json()).errors[0].code, "UNSUPPORTED");
  }
});

Deno.test("createRegistryHandler() rejects writes from web pages", async () => {
  await using registry = await makeRegistry();
  const headers = { origin: "http://attacker.example" };

  const refused = await registry.send("POST", "/a/blobs/uploads/", { headers });
  const read = await registry.send("GET", "/", { headers });

  assertEquals([refused.status, read.status], [403, 200]);
  assertEquals((await refused.json()).errors[0].code, "DENIED");
});

Deno.test("createRegistryHandler() refuses more unfinished uploads than maxUploads", async () => {
  await using registry = await makeRegistry("memory", { maxUploads: 2 });
  const begin = () => registry.send("POST", "/a/blobs/uploads/");
  const [first] = [await begin(), await begin()];

  const refused = await begin();
  await registry.send("DELETE", first.headers.get("location")?.slice("/v2".length) ?? "");
  const again = await begin();

  assertEquals([refused.status, again.status], [429, 202]);
  assertEquals((await refused.json()).errors[0].code, "TOOMANYREQUESTS");
  assert(Number(refused.headers.get("retry-after")) > 0);
});

Deno.test("createRegistryHandler() discards an abandoned upload", async () => {
  const { promise: isCanceled, resolve, reject } = Promise.withResolvers<void>();
  const content = Object.assign(new MemoryRegistryContent(), {
    beginUpload: (): Promise<BlobUpload> =>
      Promise.resolve({
        size: 0,
        write: () => {},
        commit: () => Promise.resolve(),
        cancel: () => Promise.resolve(resolve()),
      }),
  });
  await using handler = createRegistryHandler(content, { uploadTimeoutMs: 1 });
  // The handler itself does not keep the process alive.
  const timer = setTimeout(() => reject(new Error("the upload is still there")), 30_000);

  const begun = await handler(
    new Request("http://localhost/v2/a/blobs/uploads/", { method: "POST" }),
  );
  await isCanceled;
  clearTimeout(timer);
  const path = begun.headers.get("location") ?? "";
  const gone = await handler(new Request(`http://localhost${path}`));

  assertEquals([begun.status, gone.status], [202, 404]);
});

Deno.test.each([
  { name: "declared", body: new Uint8Array(11), headers: { "content-length": "11" } },
  {
    name: "streamed",
    body: ReadableStream.from([new Uint8Array(6), new Uint8Array(5)]),
    headers: {},
  },
])("createRegistryHandler() refuses a $name blob above maxBlobBytes", async (row) => {
  await using registry = await makeRegistry("memory", { maxBlobBytes: 10 });
  const begun = await registry.send("POST", "/a/blobs/uploads/");
  const path = begun.headers.get("location")?.slice("/v2".length) ?? "";

  const refused = await registry.send("PATCH", path, { body: row.body, headers: row.headers });
  const after = await registry.send("GET", path);

  assertEquals([refused.status, after.status], [413, 404]);
  assertEquals((await refused.json()).errors[0].code, "SIZE_INVALID");
});

Deno.test.each([
  { option: { maxUploads: 0 } },
  { option: { maxManifestBytes: 1.5 } },
  { option: { maxBlobBytes: -1 } },
  { option: { uploadTimeoutMs: 2 ** 31 } },
])("createRegistryHandler() refuses $option", ({ option }) => {
  const [name = ""] = Object.keys(option);

  assertThrows(() => createRegistryHandler(new MemoryRegistryContent(), option), RangeError, name);
});

Deno.test("createRegistryHandler() refuses an index of missing manifests unless allowed", async () => {
  const headers = { "content-type": index.descriptor.mediaType };
  const statuses: number[] = [];
  for (const allowSparseIndexes of [false, true]) {
    await using registry = await makeRegistry("memory", { allowSparseIndexes });
    const put = await registry.send("PUT", "/a/manifests/1", { headers, body: index.bytes });
    statuses.push(put.status);
  }

  assertEquals(statuses, [404, 201]);
});

Deno.test.each(KINDS)("createRegistryHandler() resumes after a cut in $kind", async ({ kind }) => {
  await using registry = await makeRegistry(kind);
  const begun = await registry.send("POST", "/a/blobs/uploads/");
  const path = begun.headers.get("location")?.slice("/v2".length) ?? "";
  const cut = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.slice(0, 6000));
    },
    pull(controller) {
      controller.error(new Error("the connection is gone"));
    },
  });

  const failed = await registry.send("PATCH", path, { body: cut });
  const status = await registry.send("GET", path);
  const rest = await registry.send("PUT", `${path}?digest=${digest}`, {
    headers: { "content-range": "6000-9999" },
    body: bytes.slice(6000),
  });

  assertEquals([failed.status, status.headers.get("range"), rest.status], [400, "0-5999", 201]);
});

Deno.test("createRegistryHandler() lets a reconnecting client resume its upload", async () => {
  await using registry = await makeRegistry();
  const begun = await registry.send("POST", "/a/blobs/uploads/");
  const path = begun.headers.get("location")?.slice("/v2".length) ?? "";
  const isStalled = Promise.withResolvers<void>();
  const stalled = new ReadableStream({
    pull(controller) {
      if (controller.desiredSize === null) return;
      controller.enqueue(bytes.slice(0, 100));
      isStalled.resolve();
      return new Promise(() => {});
    },
  });

  const first = registry.send("PATCH", path, { body: stalled });
  await isStalled.promise;
  const status = await registry.send("GET", path);
  const second = await registry.send("PATCH", path, { body: bytes.slice(100) });
  const last = await registry.send("PUT", `${path}?digest=${digest}`);

  assertEquals(status.status, 204);
  assertEquals([(await first).status, second.status, last.status], [409, 202, 201]);
});

Deno.test.each(KINDS)(
  "createRegistryHandler() keeps one of many concurrent pushes of a tag in $kind",
  async ({ kind }) => {
    await using registry = await makeRegistry(kind);
    const images = Array.from({ length: 8 }, (_, i) => buildImage({ layers: [noise(500, i)] }));

    await Promise.all(images.map((image) => registry.push("a", "latest", image)));
    const manifest = await registry.send("GET", "/a/manifests/latest");
    const won = images.find(({ descriptor }) =>
      descriptor.digest === manifest.headers.get("docker-content-digest")
    );
    const statuses: number[] = [];
    for (const { descriptor } of won?.blobs.values() ?? []) {
      statuses.push((await registry.send("HEAD", `/a/blobs/${descriptor.digest}`)).status);
    }

    assertEquals(await manifest.bytes(), won?.bytes);
    assertEquals(statuses, [200, 200, 200]);
  },
);

Deno.test.each([
  { name: "full disk", code: "ENOSPC", status: 507 },
  { name: "broken disk", code: "EIO", status: 500 },
])("createRegistryHandler() answers $status when it writes to a $name", async (row) => {
  const failure = Object.assign(new Error("no"), { code: row.code });
  const errors: unknown[] = [];
  let isCanceled = false;
  const content = Object.assign(new MemoryRegistryContent(), {
    beginUpload: (): Promise<BlobUpload> =>
      Promise.resolve({
        size: 0,
        write: () => Promise.reject(failure),
        commit: () => Promise.reject(failure),
        cancel: () => {
          isCanceled = true;
          return Promise.resolve();
        },
      }),
  });
  await using handler = createRegistryHandler(content, { onError: (error) => errors.push(error) });
  const url = `http://localhost/v2/a/blobs/uploads/?digest=${digest}`;

  const response = await handler(new Request(url, { method: "POST", body: bytes }));

  assertEquals(response.status, row.status);
  assertEquals((await response.json()).errors[0].code, "UNKNOWN");
  assertEquals(errors, [failure]);
  assert(isCanceled);
});

Deno.test("MemoryRegistryContent refuses more than maxBytes, and frees deleted content", async () => {
  const content = new MemoryRegistryContent({ maxBytes: bytes.length });
  await using handler = createRegistryHandler(content);
  const push = async (body: Uint8Array<ArrayBuffer>) => {
    const url = `http://localhost/v2/a/blobs/uploads/?digest=${digestOf(body)}`;
    return (await handler(new Request(url, { method: "POST", body }))).status;
  };
  const small = bytes.slice(1);

  const statuses = [await push(bytes), await push(small)];
  await content.deleteBlob("a", digest);
  statuses.push(await push(small));

  assertEquals(statuses, [201, 413, 201]);
});
