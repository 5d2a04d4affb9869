import { assertEquals } from "@std/assert";
import { ContentStore } from "../../../store/mod.ts";
import { findReachable } from "../../../store/upkeep/_reachable.ts";
import { jsonBlob } from "../../_support/image.ts";
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
