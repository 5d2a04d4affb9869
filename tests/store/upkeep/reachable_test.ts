import { assert, assertEquals } from "@std/assert";
import { ContentStore, prune } from "../../../store/mod.ts";
import { findReachable } from "../../../store/upkeep/_reachable.ts";
import { blobOf, buildImage, jsonBlob, manifestOf, putBlobs } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test("findReachable() keeps no texts of documents, which may have megabytes", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const text = "x".repeat(1_000);
  const layer = { digest: `sha256:${"0".repeat(64)}`, size: 1, annotations: { text } };
  const document = jsonBlob("application/vnd.oci.image.manifest.v1+json", {
    layers: [{ ...layer, mediaType: text }],
    config: { ...layer, digest: `sha256:${"1".repeat(64)}`, mediaType: "application/x-config" },
  });
  await store.putBytes(document.descriptor, document.bytes);

  const { descriptors } = await findReachable(store, [document.descriptor]);

  assertEquals([...descriptors.values()].map(({ mediaType }) => mediaType).sort(), [
    "application/json",
    document.descriptor.mediaType,
    "application/x-config",
  ]);
  assertEquals(JSON.stringify([...descriptors]).includes(text), false);
});

Deno.test("findReachable() follows a document that another one lists as a blob", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const image = buildImage();
  const { bytes, descriptor } = image;
  const file = { bytes, descriptor: { ...descriptor, mediaType: "application/octet-stream" } };
  const artifact = manifestOf(blobOf("application/x-config", new Uint8Array()), [file]);
  for (const document of [image, artifact]) await putBlobs(store, document);

  const roots = [descriptor, artifact.descriptor];
  for (const order of [roots, roots.toReversed()]) {
    const { descriptors } = await findReachable(store, order);

    for (const digest of image.blobs.keys()) assert(descriptors.has(digest));
    assertEquals(descriptors.get(descriptor.digest), descriptor);
  }
  // An entry of the index without a name.
  const { descriptors } = await findReachable(store, [artifact.descriptor], {
    candidates: [descriptor],
  });
  for (const digest of image.blobs.keys()) assert(descriptors.has(digest));
});

Deno.test.each([
  { change: { size: 9_000_000 } },
  { change: { mediaType: "application/octet-stream" } },
])("prune() keeps what a name with another descriptor refers to", async ({ change }) => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const image = buildImage();
  await putBlobs(store, image);
  await store.tag("example.com/a:1", { ...image.descriptor, ...change });

  assertEquals((await prune(store)).removed, []);
});
