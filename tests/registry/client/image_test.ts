import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ArtifactError,
  hostPlatform,
  type ImageProgress,
  parseReference,
  RegistryError,
} from "../../../registry/mod.ts";
import {
  digestOf,
  DOCKER_MANIFEST,
  formatPlatform,
  LimitError,
  OCI_MANIFEST,
  OciError,
  PlatformError,
} from "../../../spec/mod.ts";
import { on, respond, withHeaders } from "../../_support/faulty_registry.ts";
import { buildArtifact, buildImage, buildIndex, nestedIndex } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { addImage, AMD64, makeScene, testClient } from "../_client.ts";

const LAYER = tar(file("a", "a"));

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
  const reference = addImage(scene, index);

  const image = await client.image(reference, { platform: "linux/arm64" });

  assertEquals(image.digest, index.descriptor.digest);
  assertEquals(image.indexes.map(({ bytes }) => bytes), [index.bytes]);
  assertEquals(image.manifest.descriptor.digest, arm.descriptor.digest);
});

Deno.test("RemoteClient.image() uses the platform of the host, or that of the client", async () => {
  await using scene = makeScene();
  const host = buildImage({ layers: [LAYER], platform: hostPlatform() });
  const other = buildImage({ layers: [LAYER], platform: "linux/s390x" });
  const reference = addImage(scene, buildIndex([other, host]));
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
  const reference = addImage(scene, buildIndex([scene.image]));

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
  const eight = addImage(scene, nestedIndex(8, scene.image), "eight");
  const nine = addImage(scene, nestedIndex(9, scene.image), "nine");

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
  const reference = addImage(scene, buildIndex([entry]));

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

  const first = await client.image(addImage(scene, sha512, "sha512"), AMD64);
  const second = await client.image(addImage(scene, list, "docker"), AMD64);

  assertEquals(first.digest, sha512.descriptor.digest);
  assertEquals(second.manifest.descriptor.mediaType, DOCKER_MANIFEST);
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
  const reference = addImage(scene, artifact);

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
  const reference = addImage(scene, buildImage({ layers: [LAYER], configBlob: { rootfs } }));

  await assertRejects(
    () => client.image(reference, AMD64),
    OciError,
    "1 in its manifest, 2 in its config",
  );
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
