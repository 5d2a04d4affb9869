import { assert, assertEquals, assertGreater, assertLess, fail } from "@std/assert";
import { randomBlob } from "../../_support/blob_source.ts";
import { stoppedClock } from "../../_support/stopped_clock.ts";
import { BYTES, DESCRIPTOR, MIB, openStore, pausing, rangedSource } from "./_ranged_source.ts";

Deno.test("ingest() adds connections to a near server once the first is slow", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  // 64 KiB in 10 ms.
  const source = rangedSource({ onChunk: () => passTurn(clock, 10) });

  await scene.ingest(source, { latencyMs: 1 });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.requests[0], { offset: 0, length: undefined });
  assert(source.peak > 2 && source.peak <= 5, `${source.peak} streams at once`);
  assertLess(source.sent, BYTES.length + 5 * 64 * 1024);
});

Deno.test("ingest() fetches no range twice while the first connection to a near server is slow", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  const source = rangedSource({ onChunk: () => passTurn(clock, 10) });

  // The first of two connections has half of the blob left, which others could fetch in turn.
  await scene.ingest(source, { latencyMs: 1, connections: 2 });

  assertEquals(await scene.content(), BYTES);
  assertGreater(source.requests.length, 1);
  assertLess(source.sent, BYTES.length + 3 * 64 * 1024);
});

Deno.test("ingest() keeps the first range of a near server whose connection breaks", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  const source = rangedSource({ onChunk: () => passTurn(clock, 10) });
  const headEnded = Promise.withResolvers<void>();
  let hasRange = false;

  await scene.store.ingest(DESCRIPTOR, async (options) => {
    const stream = await source.open(options);
    if (options.length === undefined) {
      options.signal?.addEventListener("abort", () => headEnded.resolve());
      return stream;
    }
    if (hasRange) return stream;
    hasRange = true;
    return ReadableStream.from(pausing(stream, async () => {
      await headEnded.promise;
      options.onAnswer?.({ isPartial: true, latencyMs: 1 });
    }));
  }, { connections: 4, latencyMs: 1 });

  assertEquals(await scene.content(), BYTES);
  assertLess(source.sent, BYTES.length + 5 * 64 * 1024);
});

/** Advances a clock and lets other connections proceed. */
async function passTurn(clock: ReturnType<typeof stoppedClock>, ms: number): Promise<void> {
  clock.pass(ms);
  await new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("ingest() keeps the only connection to a near server that is fast", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  // 64 KiB in 1 ms.
  const source = rangedSource({ onChunk: () => clock.pass(1) });

  await scene.ingest(source, { latencyMs: 1 });

  assertEquals(source.requests, [{ offset: 0, length: undefined }]);
});

Deno.test("ingest() adds no connections to a near server that is fast in total", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  const blobs = [1, 2, 3, 4].map((seed) => randomBlob(24 * MIB, seed));
  // Each of the four gets 64 KiB in 4 ms, as on a machine whose processors are busy.
  const sources = blobs.map(({ bytes }) => {
    return rangedSource({
      bytes,
      onChunk: () => passTurn(clock, 1),
    });
  });

  await Promise.all(blobs.map(({ descriptor }, i) => {
    const source = "https://registry.example/blob";
    const open = sources[i]?.open ?? fail();
    return scene.store.ingest(descriptor, open, { connections: 4, latencyMs: 1, source });
  }));

  assertEquals(sources.map(({ requests }) => requests.length), [1, 1, 1, 1]);
});

Deno.test("ingest() stays with a slow near server that does not support ranges", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  const source = rangedSource({ sendsWhole: () => true, onChunk: () => clock.pass(10) });

  await scene.ingest(source, { latencyMs: 1 });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.requests.length, 2);
  assertLess(source.sent, BYTES.length + 128 * 1024);
});

Deno.test("ingest() stays with a slow near server that fails to send a range", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  const source = rangedSource({ onChunk: () => clock.pass(10) });

  await scene.store.ingest(DESCRIPTOR, (options) => {
    return options.length === undefined
      ? source.open(options)
      : Promise.reject(new TypeError("too many requests"));
  }, { connections: 4, latencyMs: 1 });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.sent, BYTES.length);
});
