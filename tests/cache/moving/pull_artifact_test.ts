import { assert, assertEquals, assertRejects } from "@std/assert";
import { pullArtifact } from "../../../cache/mod.ts";
import { NetworkError, RegistryError, RemoteClient } from "../../../registry/mod.ts";
import { ContentStore, prune } from "../../../store/mod.ts";
import { faultyRegistry, on, respond } from "../../_support/faulty_registry.ts";
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

Deno.test("pullArtifact() with Newer falls back to the store when the registry is gone", async () => {
  await using directory = await makeTempDir();
  using client = new RemoteClient({ credentials: "none", retries: 0 });
  const options = { store: directory.path, client };
  let name: string;
  {
    await using registry = faultyRegistry(new MemoryContent().add("a", "1", IMAGE));
    name = `${registry.host}/a:1`;
    await pullArtifact(name, options);
  }
  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(message);

  const { document, isCached } = await pullArtifact(name, {
    ...options,
    pullPolicy: "Newer",
    onWarning,
  });

  assertEquals([document.descriptor.digest, isCached], [IMAGE.descriptor.digest, true]);
  assertEquals(warnings.length, 1);
  await assertRejects(() => pullArtifact(name, { ...options, pullPolicy: "Always" }), NetworkError);
});

Deno.test("pullArtifact() with Newer falls back to the store if a download fails", async () => {
  await using directory = await makeTempDir();
  const content = new MemoryContent().add("a", "1", IMAGE);
  await using registry = faultyRegistry(content);
  using client = new RemoteClient({ credentials: "none", retries: 0 });
  const options = { store: directory.path, client };
  const name = `${registry.host}/a:1`;
  await pullArtifact(name, options);
  content.add("a", "1", buildImage({ layers: [tar(file("c", "c"))] }));
  registry.add(on("blob", respond(503)));
  const warnings: string[] = [];

  const { document } = await pullArtifact(name, {
    ...options,
    pullPolicy: "Newer",
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(document.descriptor.digest, IMAGE.descriptor.digest);
  assertEquals(warnings.length, 1);
  await assertRejects(
    () => pullArtifact(name, { ...options, pullPolicy: "Always" }),
    RegistryError,
  );
  const { isCached } = await pullArtifact(name, { ...options, pullPolicy: "Never" });
  assertEquals(isCached, true);
});
