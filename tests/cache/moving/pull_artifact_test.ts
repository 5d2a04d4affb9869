import { assert } from "@std/assert";
import { pullArtifact } from "../../../cache/mod.ts";
import { RemoteClient } from "../../../registry/mod.ts";
import { ContentStore, prune } from "../../../store/mod.ts";
import { faultyRegistry, on } from "../../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "a")), tar(file("b", "b"))] });

Deno.test("pullArtifact() keeps blobs without a name from a concurrent prune", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("store");
  await using registry = faultyRegistry(new MemoryContent().add("a", "1", IMAGE), [
    on("blob", async (_, next) => {
      await prune(await ContentStore.open(path));
      return await next();
    }),
  ]);
  using client = new RemoteClient({ credentials: "none" });

  await pullArtifact(`${registry.host}/a:1`, { store: path, client, jobs: 1 });

  const store = await ContentStore.open(path);
  for (const { descriptor } of IMAGE.blobs.values()) assert(await store.has(descriptor));
});
