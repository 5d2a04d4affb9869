import { assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { manualTime } from "../../_support/manual_time.ts";
import { type Arrival, LATENCY_MS, lineSource } from "./_line_source.ts";
import { BYTES, DESCRIPTOR, MIB, openStore, rangedSource } from "./_ranged_source.ts";

/** Rate of a connection in bytes per millisecond. */
const RATE = 5000;

/** Resumes a download, and returns the times of its requests and of its end. */
async function resume(
  arrival: (request: number) => Arrival,
): Promise<{ readonly ms: number; readonly requestsUntil: (ms: number) => number }> {
  await using scene = await openStore();
  await assertRejects(() => scene.ingest(rangedSource({ failAfter: 6 * MIB })));
  using time = manualTime();
  const source = lineSource(arrival);
  const requestedMs: number[] = [];
  const begin = performance.now();
  await time.passUntil(
    5,
    scene.store.ingest(
      DESCRIPTOR,
      (options) => {
        requestedMs.push(performance.now() - begin);
        return source.open(options);
      },
      { connections: 12, latencyMs: LATENCY_MS, acceptsRanges: true },
    ),
  );
  const ms = performance.now() - begin;
  assertEquals(await scene.content(), BYTES);
  return { ms, requestsUntil: (ms) => requestedMs.filter((other) => other < ms).length };
}

Deno.test("ingest() resumes over one connection, and adds more as bytes arrive", async () => {
  const { ms, requestsUntil } = await resume(() => ({ rate: RATE }));

  assertEquals(requestsUntil(300), 1);
  assertGreater(requestsUntil(ms), 3);
  assertLess(ms, 0.6 * BYTES.length / RATE);
});

Deno.test("ingest() resumes over another connection if the first is silent", async () => {
  const { ms } = await resume((request) => request === 0 ? { stallMs: 60_000 } : { rate: RATE });

  assertLess(ms, 5000);
});
