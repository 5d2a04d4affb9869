import { assertEquals, assertRejects } from "@std/assert";
import { progressEvents, pull } from "../../cache/mod.ts";
import { type ImageProgress, NotFoundError } from "../../registry/mod.ts";
import { ContentStore } from "../../store/mod.ts";
import { noise } from "../_support/bytes.ts";
import { faultyRegistry } from "../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../_support/image.ts";
import { makeTempDir } from "../_support/temp.ts";

const IMAGE = buildImage({ layers: [noise(300_000, 1), noise(200_000, 2)] });

Deno.test("progressEvents() yields the events of a pull up to its end", async () => {
  await using directory = await makeTempDir();
  await using registry = faultyRegistry(new MemoryContent().add("a", "1", IMAGE));
  const reported: ImageProgress[] = [];

  const events = await Array.fromAsync(progressEvents(({ onProgress, signal }) => {
    return pull(`${registry.host}/a:1`, {
      store: directory.path,
      signal,
      onProgress: (event) => {
        reported.push(event);
        onProgress(event);
      },
    });
  }));

  assertEquals(events, reported);
  assertEquals(events.at(-1)?.phase, "done");
});

Deno.test("progressEvents() fails with the error of the transfer", async () => {
  await using directory = await makeTempDir();
  await using registry = faultyRegistry(new MemoryContent());

  const events = progressEvents((options) => {
    return pull(`${registry.host}/a:1`, { store: directory.path, ...options });
  });

  await assertRejects(() => Array.fromAsync(events), NotFoundError);
});

Deno.test("progressEvents() aborts the transfer when the reader leaves", async () => {
  await using directory = await makeTempDir();
  await using registry = faultyRegistry(new MemoryContent().add("a", "1", IMAGE));
  const results: PromiseSettledResult<unknown>[] = [];

  const events = progressEvents(async ({ onProgress, signal }) => {
    const pulled = pull(`${registry.host}/a:1`, { store: directory.path, onProgress, signal });
    results.push(...await Promise.allSettled([pulled]));
  });
  for await (const { phase } of events) {
    if (phase === "fetch") break;
  }

  const store = await ContentStore.open(directory.path);
  assertEquals(results.map(({ status }) => status), ["rejected"]);
  assertEquals(await store.has(IMAGE.descriptor.digest), false);
});
