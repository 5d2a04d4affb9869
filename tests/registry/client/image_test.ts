import { assert, assertEquals, assertRejects } from "@std/assert";
import zlib from "node:zlib";
import {
  ArtifactError,
  hostPlatform,
  type ImageProgress,
  NotFoundError,
  parseReference,
  RegistryError,
} from "../../../registry/mod.ts";
import {
  DigestMismatchError,
  digestOf,
  DOCKER_MANIFEST,
  formatPlatform,
  LimitError,
  OCI_MANIFEST,
  OciError,
  PlatformError,
} from "../../../spec/mod.ts";
import {
  contentEncoded,
  digestHeader,
  endless,
  extraBytes,
  gzipEncoded,
  missingBytes,
  on,
  oversized,
  respond,
  truncated,
  withHeaders,
  wrongByte,
} from "../../_support/faulty_registry.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  nestedIndex,
  withBlobs,
} from "../../_support/image.ts";
import { file, gzip, tar, zstd } from "../../_support/tar.ts";
import { makeScene, readAll, type Scene, testClient } from "../_client.ts";

const AMD64 = { platform: "linux/amd64" };
const LAYER = tar(file("a", "a"));

/** Adds content to a scene, and returns its reference. */
function add(scene: Scene, built: Built, tag = "x") {
  scene.content.add("a/b", tag, built);
  return parseReference(`${scene.registry.host}/a/b:${tag}`);
}

Deno.test("RemoteClient.image() returns an image of one platform as it was served", async () => {
  await using scene = makeScene();
  using client = testClient();
  const events: ImageProgress[] = [];

  const image = await client.image(scene.reference, {
    ...AMD64,
    onProgress: (progress) => events.push(progress),
  });

  assertEquals(image.digest, scene.image.descriptor.digest);
  assertEquals(image.manifest.bytes, scene.image.bytes);
  assertEquals(image.config.bytes, scene.image.config.bytes);
  assertEquals(image.indexes, []);
  assertEquals(image.platform, { os: "linux", architecture: "amd64" });
  assertEquals(
    image.layers.map(({ descriptor, diffId }) => ({ descriptor, diffId })),
    scene.image.layers.map(({ descriptor, diffId }) => ({ descriptor, diffId })),
  );
  assertEquals(events.map(({ phase, digest }) => ({ phase, digest })), [
    { phase: "resolve", digest: image.digest },
  ]);
});

Deno.test("RemoteClient.image() chooses a platform from an index, and returns the index", async () => {
  await using scene = makeScene();
  using client = testClient();
  const arm = buildImage({ layers: [LAYER], platform: "linux/arm64" });
  const index = buildIndex([scene.image, arm]);
  const reference = add(scene, index);

  const image = await client.image(reference, { platform: "linux/arm64" });

  assertEquals(image.digest, index.descriptor.digest);
  assertEquals(image.indexes.map(({ bytes }) => bytes), [index.bytes]);
  assertEquals(image.manifest.descriptor.digest, arm.descriptor.digest);
});

Deno.test("RemoteClient.image() uses the platform of the host, or that of the client", async () => {
  await using scene = makeScene();
  const host = buildImage({ layers: [LAYER], platform: hostPlatform() });
  const other = buildImage({ layers: [LAYER], platform: "linux/s390x" });
  const reference = add(scene, buildIndex([other, host]));
  using plain = testClient();
  using mainframe = testClient({ platform: "linux/s390x" });

  assertEquals(
    formatPlatform((await plain.image(reference)).platform),
    formatPlatform(hostPlatform()),
  );
  assertEquals((await mainframe.image(reference)).platform.architecture, "s390x");
});

Deno.test("RemoteClient.image() names the available platforms", async () => {
  await using scene = makeScene();
  using client = testClient();
  const reference = add(scene, buildIndex([scene.image]));

  const error = await assertRejects(
    () => client.image(reference, { platform: "linux/arm64" }),
    PlatformError,
    "it has linux/amd64",
  );

  assert(error.message.includes(`${scene.registry.host}/a/b:x`));
});

Deno.test("RemoteClient.image() warns about a single image for another platform", async () => {
  await using scene = makeScene();
  using client = testClient();
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);

  await client.image(scene.reference, { platform: "linux/arm64", onWarning });
  await client.image(scene.reference, { platform: "linux/arm64", onWarning });
  await client.image(scene.reference, { ...AMD64, onWarning });

  assertEquals(warnings, [
    `"${scene.registry.host}/a/b:v1" is for linux/amd64, not for linux/arm64`,
  ]);
});

Deno.test("RemoteClient.image() with strictPlatform refuses an image for another platform", async () => {
  await using scene = makeScene();
  using client = testClient();
  const options = { platform: "linux/arm64", strictPlatform: true };

  const error = await assertRejects(() => client.image(scene.reference, options), PlatformError);

  assertEquals(error.available.map(({ architecture }) => architecture), ["amd64"]);
});

Deno.test("RemoteClient.image() follows 8 nested indexes, and no more", async () => {
  await using scene = makeScene();
  using client = testClient();
  const eight = add(scene, nestedIndex(8, scene.image), "eight");
  const nine = add(scene, nestedIndex(9, scene.image), "nine");

  assertEquals((await client.image(eight, AMD64)).indexes.length, 8);
  const error = await assertRejects(() => client.image(nine, AMD64), LimitError);

  assertEquals([error.limit, error.max, error.value], ["nested indexes", 8, 9]);
});

Deno.test.each([
  { what: "a page", fault: respond(200, { "content-type": "text/html; charset=utf-8" }, "<html>") },
  { what: "nothing", fault: respond(200) },
])("RemoteClient.image() retries after $what in place of a document", async ({ fault }) => {
  await using scene = makeScene([on({ kind: ["manifest", "blob"], nth: 1 }, fault)]);
  using client = testClient();

  assertEquals((await client.image(scene.reference, AMD64)).digest, scene.image.descriptor.digest);
  scene.registry.add(on("manifest", fault));
  await assertRejects(
    () => client.document(scene.reference),
    RegistryError,
    "answered with a web page",
  );
});

Deno.test("RemoteClient.image() refuses an index that its parent lists as a manifest", async () => {
  await using scene = makeScene();
  using client = testClient();
  const built = buildIndex([scene.image]);
  const entry = { built, descriptor: { mediaType: OCI_MANIFEST, platform: scene.image.platform } };
  const reference = add(scene, buildIndex([entry]));

  await assertRejects(() => client.image(reference, AMD64), SyntaxError, "manifest.mediaType");
});

Deno.test("RemoteClient.image() reads by digest even if there is a tag, which it does not request", async () => {
  await using scene = makeScene();
  using client = testClient();
  const { digest } = scene.image.descriptor;
  const reference = parseReference(`${scene.registry.host}/a/b:gone@${digest}`);

  assertEquals((await client.image(reference, AMD64)).digest, digest);
  assert(scene.registry.seen("manifest").every((line) => !line.includes("gone")));
});

Deno.test("RemoteClient.image() reads images with sha512 and of Docker", async () => {
  await using scene = makeScene();
  using client = testClient();
  const sha512 = buildImage({ layers: [LAYER], algorithm: "sha512" });
  const docker = buildImage({ layers: [LAYER], mediaTypes: "docker" });
  const list = buildIndex([docker], { mediaTypes: "docker" });

  const first = await client.image(add(scene, sha512, "sha512"), AMD64);
  const second = await client.image(add(scene, list, "docker"), AMD64);

  assertEquals(first.digest, sha512.descriptor.digest);
  assertEquals(second.manifest.descriptor.mediaType, DOCKER_MANIFEST);
});

Deno.test("RemoteClient.image() uses the data in descriptors", async () => {
  await using scene = makeScene();
  using client = testClient();
  const config = { ...scene.image.config.descriptor, data: scene.image.config.bytes.toBase64() };
  const image = buildImage({
    layers: scene.image.layers.map(({ tar }) => tar),
    manifest: { config },
  });
  const entry = { built: image, descriptor: { data: image.bytes.toBase64() } };
  const reference = add(scene, buildIndex([entry]));

  await client.image(reference, AMD64);

  assertEquals(scene.registry.seen(), ["GET /v2/a/b/manifests/x"]);
});

Deno.test("RemoteClient.image() refuses data that does not match the digest", async () => {
  await using scene = makeScene();
  using client = testClient();
  const entry = { built: scene.image, descriptor: { data: btoa("something else") } };
  const reference = add(scene, buildIndex([entry]));

  await assertRejects(
    () => client.image(reference, AMD64),
    SyntaxError,
    "manifest.manifests[0].data: it must be the content with this size and digest, in base64",
  );
});

Deno.test("RemoteClient.image() treats an image without rootfs as an artifact", async () => {
  await using scene = makeScene();
  const mediaType = "application/vnd.dev.cosign.simplesigning.v1+json";
  const signature = buildImage({
    layers: [{ tar: new Uint8Array([1]), mediaType }],
    configBlob: { rootfs: undefined },
  });
  scene.content.add("a/b", "signature", signature);
  using client = testClient();
  const reference = { ...scene.reference, tag: "signature" };

  const error = await assertRejects(() => client.image(reference, AMD64), ArtifactError);

  assertEquals(error.artifactType, mediaType);
});

Deno.test("RemoteClient.image() refuses an artifact, but reads its manifest", async () => {
  await using scene = makeScene();
  using client = testClient();
  const artifact = buildArtifact({ artifactType: "application/x-test" });
  const reference = add(scene, artifact);

  const error = await assertRejects(() => client.image(reference, AMD64), ArtifactError);
  const document = await client.document(reference);

  assertEquals(error.artifactType, "application/x-test");
  assertEquals(document.bytes, artifact.bytes);
  assertEquals(document.value.kind, "manifest");
});

Deno.test("RemoteClient.image() refuses a config with more layers than the manifest", async () => {
  await using scene = makeScene();
  using client = testClient();
  const rootfs = { type: "layers", "diff_ids": [digestOf(LAYER), digestOf(LAYER)] };
  const reference = add(scene, buildImage({ layers: [LAYER], configBlob: { rootfs } }));

  await assertRejects(
    () => client.image(reference, AMD64),
    OciError,
    "has 1 layers, but its config names 2",
  );
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

Deno.test.each<{ value: string | undefined }>([
  { value: undefined },
  { value: "" },
  { value: "sha256:short" },
  { value: `md5:${"0".repeat(32)}` },
])(
  "RemoteClient.document() computes the digest of a tag if the header is $value",
  async ({ value }) => {
    await using scene = makeScene([on("manifest", digestHeader(value))]);
    using client = testClient();

    assertEquals((await client.document(scene.reference)).descriptor, scene.image.descriptor);
  },
);

Deno.test("RemoteClient.document() ignores the digest in the header if the reference has one", async () => {
  await using scene = makeScene([on("manifest", digestHeader(digestOf(new Uint8Array(1))))]);
  using client = testClient();
  const { digest } = scene.image.descriptor;

  const document = await client.document({ ...scene.reference, digest });

  assertEquals(document.descriptor.digest, digest);
});

Deno.test("RemoteClient.document() refuses a nested manifest of another size", async () => {
  await using scene = makeScene();
  using client = testClient();
  const entry = { built: scene.image, descriptor: { size: scene.image.bytes.length + 1 } };
  const reference = add(scene, buildIndex([entry]));

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

Deno.test("RemoteClient requests unencoded bytes and sends a user agent", async () => {
  await using scene = makeScene();
  using client = testClient();

  const image = await client.image(scene.reference, AMD64);
  await Promise.all(image.layers.map(async (layer) => await readAll(await layer.compressed())));

  for (const { headers } of scene.registry.requests) {
    assertEquals(headers.get("accept-encoding"), "identity");
    assert(/^oci\/\d+\.\d+\.\d+ deno\/\d/.test(headers.get("user-agent") ?? ""));
  }
});

Deno.test("RemoteClient.resolve() sends one HEAD", async () => {
  await using scene = makeScene();
  using client = testClient();

  assertEquals(await client.resolve(scene.reference), scene.image.descriptor);
  assertEquals(scene.registry.seen(), ["HEAD /v2/a/b/manifests/v1"]);
});

Deno.test.each([
  { what: "is answered 404", fault: respond(404) },
  { what: "is answered 405", fault: respond(405) },
  { what: "is answered 500", fault: respond(500) },
  { what: "is answered 502", fault: respond(502) },
  { what: "returns no digest", fault: digestHeader(undefined) },
  { what: "returns a malformed digest", fault: digestHeader("sha256:?") },
  { what: "returns no size", fault: withHeaders({ "content-length": undefined }) },
  { what: "returns a size of 0", fault: withHeaders({ "content-length": "0" }) },
  { what: "returns an encoded size", fault: withHeaders({ "content-encoding": "gzip" }) },
  { what: "returns no media type", fault: withHeaders({ "content-type": "text/plain" }) },
])("RemoteClient.resolve() reads the manifest if HEAD $what", async ({ fault }) => {
  await using scene = makeScene([on({ kind: "manifest", method: "HEAD" }, fault)]);
  using client = testClient();

  assertEquals(await client.resolve(scene.reference), scene.image.descriptor);
  assertEquals(scene.registry.requests.map(({ method }) => method), ["HEAD", "GET"]);
});

Deno.test("RemoteClient.resolve() ignores a HEAD that names another digest", async () => {
  const other = digestHeader(digestOf(new Uint8Array(1)));
  await using scene = makeScene([on({ method: "HEAD" }, other)]);
  using client = testClient();
  const { digest } = scene.image.descriptor;

  assertEquals((await client.resolve({ ...scene.reference, digest })).digest, digest);
});

Deno.test("RemoteClient reports a missing image", async () => {
  await using scene = makeScene();
  using client = testClient();
  const reference = { ...scene.reference, tag: "gone" };

  const errors = await Promise.all([
    assertRejects(() => client.image(reference), NotFoundError),
    assertRejects(() => client.resolve(reference), NotFoundError),
  ]);

  for (const error of errors) {
    assertEquals([error.status, error.registryCode], [404, "MANIFEST_UNKNOWN"]);
    assert(error.message.includes(`Cannot pull "${scene.registry.host}/a/b:gone"`), error.message);
  }
});

Deno.test("RemoteClient.document() uses the media type of the response if the document has none", async () => {
  await using scene = makeScene([
    on("manifest", withHeaders({ "content-type": `${OCI_MANIFEST}; charset=utf-8` })),
  ]);
  using client = testClient();
  const { mediaType: _, ...silent } = JSON.parse(new TextDecoder().decode(scene.image.bytes));
  const bytes = new TextEncoder().encode(JSON.stringify(silent));
  const descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length };
  const built = withBlobs({ bytes, descriptor }, [...scene.image.blobs.values()]);

  const document = await client.document(add(scene, built));

  assertEquals(document.descriptor, descriptor);
});

Deno.test("RemoteClient refuses a manifest of schema 1, and says so", async () => {
  const body = '{"schemaVersion":1,"name":"a","fsLayers":[]}';
  const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
  await using scene = makeScene([on("manifest", respond(200, { "content-type": type }, body))]);
  using client = testClient();

  await assertRejects(() => client.image(scene.reference), SyntaxError, "schema 1");
});

Deno.test("RemoteClient.image() reports whether the registry advertises ranges", async () => {
  for (const header of ["bytes", "none", undefined]) {
    await using scene = makeScene([on("blob", withHeaders({ "accept-ranges": header }))]);
    using client = testClient();

    const { layers } = await client.image(scene.reference, AMD64);

    const expected = header === "bytes";
    assertEquals(layers.map(({ acceptsRanges }) => acceptsRanges), [expected, expected]);
  }
});
