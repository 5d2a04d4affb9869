import { assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { manualTime } from "../../_support/manual_time.ts";
import { stoppedClock } from "../../_support/stopped_clock.ts";
import { BYTES, DESCRIPTOR, MIB, openStore, rangedSource } from "./_ranged_source.ts";

Deno.test("ingest() requests ranges from a far server at once if it has announced support", async () => {
  await using scene = await openStore();
  const source = rangedSource();
  const { promise, resolve } = Promise.withResolvers<void>();

  await scene.store.ingest(DESCRIPTOR, async (options) => {
    const opened = source.open(options);
    if (source.requests.length === 4) resolve();
    // The first response arrives after all requests have been sent.
    await promise;
    return await opened;
  }, { connections: 4, latencyMs: 100, acceptsRanges: true });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.sent, BYTES.length);
});

for (const first of [0, 1]) {
  Deno.test(`ingest() keeps its first connection if answer ${first} is the whole blob`, async () => {
    await using scene = await openStore();
    const source = rangedSource({ sendsWhole: () => true });
    const { promise, resolve } = Promise.withResolvers<void>();
    let count = 0;

    await scene.store.ingest(DESCRIPTOR, async (options) => {
      const number = count++;
      if (number !== first) await promise;
      const opened = await source.open(options);
      if (number === first) resolve();
      return opened;
    }, { connections: 4, latencyMs: 100, acceptsRanges: true });

    assertEquals(await scene.content(), BYTES);
    // The whole blob is not requested again.
    assertEquals(source.requests.filter(({ length }) => length === undefined), []);
    assertEquals(count <= 4, true);
  });
}

Deno.test("ingest() requests the whole blob if only the first response is a range", async () => {
  await using scene = await openStore();
  const source = rangedSource({ sendsWhole: (request) => request >= 1 });

  await scene.ingest(source, { acceptsRanges: true });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.requests.at(-1)?.length, undefined);
  assertEquals(await exists(`${scene.part}.ranges`), false);
});

Deno.test("ingest() requests the whole blob if no connection gets the first range", async () => {
  await using scene = await openStore();
  using time = manualTime();
  let firsts = 0;
  const source = rangedSource({ sendsWhole: () => firsts > 1 });
  const open: typeof source.open = (options) => {
    if (options.offset === 0) firsts++;
    // The first request is never answered, and the second one not with a range.
    if (options.offset !== 0 || firsts > 1) return source.open(options);
    return Promise.resolve(new ReadableStream({ pull: () => new Promise<void>(() => {}) }));
  };

  await time.passUntil(
    50,
    scene.store.ingest(DESCRIPTOR, open, { connections: 4, latencyMs: 100, acceptsRanges: true }),
  );

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.requests.at(-1)?.length, undefined);
});

Deno.test("ingest() sends one request to a near server that has announced support for ranges", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  const source = rangedSource({ onChunk: () => clock.pass(1) });

  await scene.ingest(source, { latencyMs: 1, acceptsRanges: true });

  assertEquals(source.requests, [{ offset: 0, length: undefined }]);
});

Deno.test("ingest() resumes ranges over one connection to a server that sends them", async () => {
  await using scene = await openStore();
  const broken = rangedSource({ failAfter: 15 * MIB });
  await assertRejects(() => scene.ingest(broken));

  await scene.ingest(rangedSource(), { connections: 1, acceptsRanges: true });

  assertEquals(await scene.content(), BYTES);
});
