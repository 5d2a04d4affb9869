import { assert, assertEquals } from "@std/assert";
import { ContentStore } from "../../../store/mod.ts";
import { isStored, storedMounts } from "../../../store/moving/stored_graph.ts";
import { nestedIndex } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { IMAGE } from "../archives/_archives.ts";

Deno.test("isStored() and storedMounts() visit repeated content once", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.path);
  const nested = nestedIndex(8, IMAGE, 40);
  const [config] = nested.blobs.values();
  for (const { descriptor, bytes } of nested.blobs.values()) {
    if (descriptor.digest !== config?.descriptor.digest) await store.putBytes(descriptor, bytes);
  }

  assert(!await isStored(store, nested.descriptor));

  await store.putBytes(IMAGE.config.descriptor, IMAGE.config.bytes);
  assert(await isStored(store, nested.descriptor));

  await store.tag("h.io/a:1", nested.descriptor);
  const mounts = await storedMounts(store, { registry: "h.io", repository: "b" });
  assertEquals(
    new Map(mounts),
    new Map([IMAGE.config, ...IMAGE.layers].map(({ descriptor }) => [descriptor.digest, "a"])),
  );
});
