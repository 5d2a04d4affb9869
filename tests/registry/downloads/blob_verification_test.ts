import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { RepositoryContent } from "../../../registry/mod.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import {
  cut,
  extraBytes,
  gzipEncoded,
  missingBytes,
  on,
  respond,
  withHeaders,
  wrongByte,
} from "../../_support/faulty_registry.ts";
import { makeScene, readAll, testClient } from "../_client.ts";

Deno.test("RemoteClient.blob() decodes a content coding, even when it resumes a blob", async () => {
  await using scene = makeScene([
    on({ kind: "blob", nth: 1 }, cut(100_000)),
    on("blob", gzipEncoded()),
  ]);
  using client = testClient();

  const bytes = await readAll(
    await client.blob(scene.reference, scene.blob.descriptor, { offset: 50_000 }),
  );

  assertEquals(bytes, scene.blob.bytes.slice(50_000));
});

Deno.test("RemoteClient.blob() ignores a content coding if the length is that of the blob", async () => {
  await using scene = makeScene([on("blob", withHeaders({ "content-encoding": "gzip" }))]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
});

Deno.test("RemoteClient.blob() accepts bytes with an unknown coding unchanged", async () => {
  const coded = withHeaders({ "content-encoding": "aws-chunked", "content-length": undefined });
  await using scene = makeScene([on("blob", coded)]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
});

Deno.test("RemoteClient.blob() creates no decoders for thousands of codings", async () => {
  const coding = Array(6000).fill("gzip").join();
  const coded = withHeaders({ "content-encoding": coding, "content-length": undefined });
  await using scene = makeScene([on("blob", coded)]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
});

Deno.test("RemoteClient.blob() never yields more than the blob", async () => {
  await using scene = makeScene([
    on("blob", extraBytes(1)),
    on("blob", withHeaders({ "content-length": undefined })),
  ]);
  using client = testClient();
  const stream = await client.blob(scene.reference, scene.blob.descriptor);
  let size = 0;

  const error = await assertRejects(async () => {
    for await (const chunk of stream) size += chunk.length;
  }, DigestMismatchError);

  assert(error.size > 300_000);
  assert(size <= 300_000);
});

Deno.test.each([{ why: "longer", fault: extraBytes() }, { why: "shorter", fault: missingBytes() }])(
  "RemoteClient.blob() fails at once if the blob is $why",
  async ({ fault }) => {
    await using scene = makeScene([on("blob", fault)]);
    using client = testClient();
    const stream = await client.blob(scene.reference, scene.blob.descriptor);

    await assertRejects(() => readAll(stream), DigestMismatchError);
    assertEquals(scene.registry.requests.length, 1);
  },
);

Deno.test("RemoteClient.blob() fails in place of the last bytes if the digest is wrong", async () => {
  await using scene = makeScene([on("blob", wrongByte(7))]);
  using client = testClient();
  const stream = await client.blob(scene.reference, scene.blob.descriptor);
  let size = 0;

  const error = await assertRejects(async () => {
    for await (const chunk of stream) size += chunk.length;
  }, DigestMismatchError);

  assert(size < 300_000);
  assertEquals(error.expected, scene.blob.descriptor.digest);
  assertMatch(error.source ?? "", /^http:.*\/blobs\//);
  assertEquals(scene.registry.requests.length, 1);
});

Deno.test("RemoteClient.blob() fails if a mirror serves other bytes, and can read them again elsewhere", async () => {
  await using scene = makeScene();
  await using mirror = makeScene([on("blob", wrongByte(7))]);
  const { registry } = scene.reference;
  using client = testClient({ mirrors: { [registry]: [`http://${mirror.reference.registry}`] } });
  const read = async (again: boolean) => {
    return await readAll(await client.blob(scene.reference, scene.blob.descriptor, { again }));
  };

  await assertRejects(() => read(false), DigestMismatchError);

  assertEquals(await read(true), scene.blob.bytes);
});

Deno.test.each([{ raw: true }, { offset: 1 }])(
  "RemoteClient.blob() does not verify the digest of a read with %o",
  async (options) => {
    await using scene = makeScene([on("blob", wrongByte(7))]);
    using client = testClient();

    const stream = await client.blob(scene.reference, scene.blob.descriptor, options);

    const bytes = await readAll(stream);
    assertEquals(bytes.length, 300_000 - (options.offset ?? 0));
    assertNotEquals(bytes, scene.blob.bytes.slice(options.offset));
  },
);

Deno.test("RemoteLayer.compressed() verifies a layer unless the read is raw", async () => {
  await using scene = makeScene([
    on("blob", (request, next) => {
      const isConfig = request.url.endsWith(scene.image.config.descriptor.digest);
      return isConfig ? next() : wrongByte(7)(request, next);
    }),
  ]);
  using client = testClient();
  const { layers: [layer] } = await client.image(scene.reference, { platform: "linux/amd64" });

  assert(layer !== undefined);
  await assertRejects(async () => readAll(await layer.compressed()), DigestMismatchError);
  const { length } = await readAll(await layer.compressed({ raw: true }));
  assertEquals(length, layer.descriptor.size);
});

Deno.test("RepositoryContent.fetch() verifies a blob unless the read is raw", async () => {
  await using scene = makeScene([on("blob", wrongByte(7))]);
  using client = testClient();
  const content = new RepositoryContent(client, scene.reference);
  const { descriptor } = scene.blob;

  await assertRejects(async () => readAll(await content.fetch(descriptor)), DigestMismatchError);
  assertEquals((await readAll(await content.fetch(descriptor, { raw: true }))).length, 300_000);
});

Deno.test.each([
  { what: "a page", fault: respond(200, { "content-type": "text/html" }, "<html>") },
  { what: "nothing", fault: respond(200) },
])("RemoteClient.blob() retries after $what in place of the blob", async ({ fault }) => {
  await using scene = makeScene([on({ kind: "blob", nth: [1, 2] }, fault)]);
  using client = testClient();

  const stream = await client.blob(scene.reference, scene.blob.descriptor);

  assertEquals(await readAll(stream), scene.blob.bytes);
});
