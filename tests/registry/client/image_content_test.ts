import { assert, assertEquals, assertRejects } from "@std/assert";
import zlib from "node:zlib";
import { DigestMismatchError, digestOf, LimitError } from "../../../spec/mod.ts";
import {
  contentEncoded,
  digestHeader,
  endless,
  extraBytes,
  gzipEncoded,
  missingBytes,
  on,
  oversized,
  truncated,
  withHeaders,
  wrongByte,
} from "../../_support/faulty_registry.ts";
import { buildImage, buildIndex } from "../../_support/image.ts";
import { file, gzip, tar, zstd } from "../../_support/tar.ts";
import { addImage, AMD64, makeScene, readAll, testClient } from "../_client.ts";

Deno.test("RemoteClient.image() uses the data in descriptors", async () => {
  await using scene = makeScene();
  using client = testClient();
  const config = { ...scene.image.config.descriptor, data: scene.image.config.bytes.toBase64() };
  const image = buildImage({
    layers: scene.image.layers.map(({ tar }) => tar),
    manifest: { config },
  });
  const entry = { built: image, descriptor: { data: image.bytes.toBase64() } };
  const reference = addImage(scene, buildIndex([entry]));

  await client.image(reference, AMD64);

  assertEquals(scene.registry.seen(), ["GET /v2/a/b/manifests/x"]);
});

Deno.test.each([
  { what: "of another content", data: btoa("something else") },
  { what: "that is not base64", data: "{}" },
])("RemoteClient.image() fetches content rather than use data $what", async ({ data }) => {
  await using scene = makeScene();
  using client = testClient();
  const entry = { built: scene.image, descriptor: { data } };
  const reference = addImage(scene, buildIndex([entry]));

  const image = await client.image(reference, AMD64);

  assertEquals(image.manifest.bytes, scene.image.bytes);
});

Deno.test.each([
  { what: "a manifest with a wrong byte", fault: on("manifest", wrongByte(20)) },
  { what: "a manifest that is cut off", fault: on("manifest", truncated(100)) },
  { what: "a manifest with more bytes", fault: on("manifest", extraBytes()) },
  { what: "a config with a wrong byte", fault: on("blob", wrongByte(20)) },
  { what: "a config with fewer bytes", fault: on("blob", missingBytes()) },
  { what: "a config with more bytes", fault: on("blob", extraBytes()) },
  { what: "a wrong digest", fault: on("manifest", digestHeader(digestOf(new Uint8Array(1)))) },
])("RemoteClient.image() refuses $what", async ({ fault }) => {
  await using scene = makeScene([fault]);
  using client = testClient();

  const error = await assertRejects(
    () => client.image(scene.reference, AMD64),
    DigestMismatchError,
  );

  assert(error.source?.startsWith(scene.registry.url), error.source);
});

Deno.test("RemoteClient.document() refuses a nested manifest of another size", async () => {
  await using scene = makeScene();
  using client = testClient();
  const entry = { built: scene.image, descriptor: { size: scene.image.bytes.length + 1 } };
  const reference = addImage(scene, buildIndex([entry]));

  await assertRejects(() => client.image(reference, AMD64), DigestMismatchError);
});

Deno.test.each([
  { kind: "manifest" as const, limit: "manifest bytes", option: { maxManifestBytes: 1000 } },
  { kind: "blob" as const, limit: "config bytes", option: { maxConfigBytes: 1000 } },
])(
  "RemoteClient.image() reads no more than the limit of $limit",
  async ({ kind, limit, option }) => {
    const ok = makeScene([on(kind, oversized(1000))]);
    await using large = makeScene([on(kind, oversized(1001))]);
    await using infinite = makeScene([on(kind, endless())]);
    await using _ = ok;
    using client = testClient(option);

    // At the limit, the digest is wrong, not the size.
    await assertRejects(() => client.image(ok.reference, AMD64), DigestMismatchError);
    for (const scene of [large, infinite]) {
      const error = await assertRejects(() => client.image(scene.reference, AMD64), LimitError);
      assertEquals([error.limit, error.max], [limit, 1000]);
      assert(scene.registry.bytesSent(kind) < 8_000_000);
    }
  },
);

Deno.test("RemoteClient.image() enforces maxLayers", async () => {
  await using scene = makeScene();
  using client = testClient({ maxLayers: 1 });

  await assertRejects(() => client.image(scene.reference, AMD64), LimitError, "maxLayers");
});

Deno.test("RemoteClient.image() decodes a content coding of manifests and configs", async () => {
  await using scene = makeScene([on({}, gzipEncoded())]);
  using client = testClient();

  const image = await client.image(scene.reference, AMD64);

  assertEquals(image.manifest.bytes, scene.image.bytes);
  assertEquals(image.config.bytes, scene.image.config.bytes);
});

Deno.test.each<{ coding: string; encode: readonly ((bytes: Uint8Array) => Uint8Array)[] }>([
  { coding: "gzip", encode: [gzip] },
  { coding: "deflate", encode: [zlib.deflateSync] },
  { coding: "deflate", encode: [zlib.deflateRawSync] },
  { coding: "br", encode: [zlib.brotliCompressSync] },
  { coding: "zstd", encode: [zstd] },
  { coding: "gzip, zstd, deflate", encode: [gzip, zstd, zlib.deflateRawSync] },
])("RemoteClient decodes the content coding $coding", async ({ coding, encode }) => {
  const fault = contentEncoded(coding, (bytes) => {
    return encode.reduce((content, next) => new Uint8Array(next(content)), bytes);
  });
  await using scene = makeScene([on({}, fault)]);
  using client = testClient({ retries: 0 });

  const image = await client.image(scene.reference, AMD64);
  const [layer] = image.layers;
  const [built] = scene.image.layers;

  assertEquals(image.config.bytes, scene.image.config.bytes);
  assertEquals(layer && await readAll(await layer.compressed()), built?.bytes);
});

Deno.test.each<{ coding: string; digest?: undefined | "none" }>([
  { coding: "gzip" },
  { coding: "aws-chunked" },
  { coding: "aws-chunked, gzip" },
  { coding: "br" },
  { coding: "gzip", digest: "none" },
  { coding: "aws-chunked", digest: "none" },
  { coding: "br", digest: "none" },
  { coding: "gzip, br", digest: "none" },
])(
  "RemoteClient.image() ignores the content coding $coding if it does not apply",
  async ({ coding, digest }) => {
    const headers = { "content-encoding": coding };
    const all = digest === "none" ? { ...headers, "docker-content-digest": undefined } : headers;
    await using scene = makeScene([on({}, withHeaders(all))]);
    using client = testClient({ retries: 0 });

    const image = await client.image(scene.reference, AMD64);

    assertEquals(image.manifest.bytes, scene.image.bytes);
    assertEquals(image.config.bytes, scene.image.config.bytes);
  },
);

Deno.test("RemoteClient.image() refuses encoded bytes that do not match the digest", async () => {
  await using scene = makeScene([on("blob", gzipEncoded()), on("blob", wrongByte(5))]);
  using client = testClient({ retries: 0 });

  await assertRejects(() => client.image(scene.reference, AMD64), DigestMismatchError);
});

Deno.test.each(["manifest", "config"])(
  "RemoteClient.image() requests a %s again if the connection ends early",
  async (what) => {
    const built = buildImage({ layers: [tar(file("f", "f"))], platform: "linux/amd64" });
    const index = buildIndex([built]);
    const { digest } = what === "config" ? built.config.descriptor : built.descriptor;
    const path = new RegExp(digest);
    await using scene = makeScene();
    scene.content.add("a/b", "index", index);
    // Without a length, a broken connection looks like the end.
    scene.registry.add(on({ path, nth: [1, 2] }, withHeaders({ "content-length": undefined })));
    scene.registry.add(on({ path, nth: [1, 2] }, truncated(20)));
    using client = testClient();

    const image = await client.image({ ...scene.reference, tag: "index" }, AMD64);

    assertEquals(image.config.bytes, built.config.bytes);
    assertEquals(scene.registry.requests.filter((request) => path.test(request.path)).length, 3);
  },
);
