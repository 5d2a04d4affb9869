import { assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { stoppedClock } from "../../_support/stopped_clock.ts";
import { BYTES, DESCRIPTOR, MIB, openStore, rangedSource } from "./_ranged_source.ts";

Deno.test("ingest() asks a far server for ranges at once if it has said that it sends them", async () => {
  await using scene = await openStore();
  const source = rangedSource();
  const { promise, resolve } = Promise.withResolvers<void>();

  await scene.store.ingest(DESCRIPTOR, async (options) => {
    const opened = source.open(options);
    if (source.requests.length === 4) resolve();
    // The first answer comes after all connections have been asked.
    await promise;
    return await opened;
  }, { connections: 4, latencyMs: 100, acceptsRanges: true });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.sent, BYTES.length);
});

for (const wrong of [0, 1]) {
  Deno.test(`ingest() asks for the whole if answer ${wrong} shows that a server sends no ranges`, async () => {
    await using scene = await openStore();
    const source = rangedSource({ sendsWhole: (request) => request >= wrong });

    await scene.store.ingest(DESCRIPTOR, source.open, {
      connections: 4,
      latencyMs: 100,
      acceptsRanges: true,
    });

    assertEquals(await scene.content(), BYTES);
    assertEquals(source.requests.at(-1)?.length, undefined);
    assertEquals(await exists(`${scene.part}.ranges`), false);
  });
}

Deno.test("ingest() sends one request to a near server that has said that it sends ranges", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  const source = rangedSource({ onChunk: () => clock.pass(1) });

  await scene.store.ingest(DESCRIPTOR, source.open, {
    connections: 4,
    latencyMs: 1,
    acceptsRanges: true,
  });

  assertEquals(source.requests, [{ offset: 0, length: undefined }]);
});

Deno.test("ingest() resumes ranges over one connection to a server that sends them", async () => {
  await using scene = await openStore();
  const broken = rangedSource({ failAfter: 15 * MIB });
  await assertRejects(() =>
    scene.store.ingest(DESCRIPTOR, broken.open, { connections: 4, latencyMs: 100 })
  );

  await scene.store.ingest(DESCRIPTOR, rangedSource().open, {
    connections: 1,
    latencyMs: 100,
    acceptsRanges: true,
  });

  assertEquals(await scene.content(), BYTES);
});
