import { assert, assertEquals, assertRejects } from "@std/assert";
import { NotFoundError } from "../../../registry/mod.ts";
import { digestOf, OCI_MANIFEST } from "../../../spec/mod.ts";
import { digestHeader, on, respond, withHeaders } from "../../_support/faulty_registry.ts";
import { withBlobs } from "../../_support/image.ts";
import { addImage, AMD64, makeScene, readAll, testClient } from "../_client.ts";

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

  const document = await client.document(addImage(scene, built));

  assertEquals(document.descriptor, descriptor);
});

Deno.test("RemoteClient refuses a manifest of schema 1, and says so", async () => {
  const body = '{"schemaVersion":1,"name":"a","fsLayers":[]}';
  const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
  await using scene = makeScene([on("manifest", respond(200, { "content-type": type }, body))]);
  using client = testClient();

  await assertRejects(() => client.image(scene.reference), SyntaxError, "schema 1");
});
