import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { RegistryError } from "../../../registry/mod.ts";
import type { BlobReadOptions } from "../../../spec/mod.ts";
import { Random } from "../../../torture/random.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { type Arrival, LATENCY_MS, lineSource } from "./_line_source.ts";
import { BYTES, DESCRIPTOR, openStore } from "./_ranged_source.ts";

/** Share of the blob that may be sent a second time. */
const EXTRA = 1.05;

/**
 * Downloads the blob over twelve connections, and returns how long that took.
 *
 * @param onRequest Called with each request and its number.
 */
async function download(
  arrival: (request: number) => Arrival,
  onRequest: (request: number, options: BlobReadOptions) => void = () => {},
): Promise<{ readonly ms: number; readonly sent: number }> {
  await using scene = await openStore();
  using time = manualTime();
  const source = lineSource(arrival);
  const begin = performance.now();
  await time.passUntil(
    5,
    scene.store.ingest(
      DESCRIPTOR,
      (options) => {
        onRequest(source.requests.length, options);
        return source.open(options);
      },
      { connections: 12, latencyMs: LATENCY_MS, acceptsRanges: true },
    ),
  );
  const ms = performance.now() - begin;
  assertEquals(await scene.content(), BYTES);
  return { ms, sent: source.sent };
}

/** Changes the arrival of one response only. */
function only(request: number, arrival: Arrival): (request: number) => Arrival {
  return (number) => number === request ? arrival : {};
}

for (
  const { what, arrival } of [
    { what: "slow", arrival: { rate: 20 } },
    { what: "stalls", arrival: { stallAfter: 300_000, stallMs: 60_000 } },
    { what: "does not come", arrival: { stallMs: 60_000 } },
  ]
) {
  for (const request of [0, 1, 11, 14]) {
    Deno.test(`ingest() requests the rest elsewhere if response ${request} ${what}`, async () => {
      const { ms, sent } = await download(only(request, arrival));

      assertLess(ms, 2500);
      assertLess(sent, BYTES.length * EXTRA);
    });
  }
}

for (
  const { what, arrival } of [
    { what: "are equally slow", arrival: { rate: 1000 } },
    { what: "come late", arrival: { stallMs: 3000 } },
  ]
) {
  Deno.test(`ingest() requests no byte twice if all responses ${what}`, async () => {
    const { sent } = await download(() => arrival);

    assertEquals(sent, BYTES.length);
  });
}

Deno.test("ingest() requests no byte twice while the whole line is down", async () => {
  // Each of the first responses pauses at the same time.
  const { sent } = await download((request) => {
    return request < 12 ? { rate: 500, stallAfter: 100_000, stallMs: 6000 } : { rate: 500 };
  });

  assertEquals(sent, BYTES.length);
});

Deno.test("ingest() requests nothing twice from a server that limits requests", async () => {
  const problem = "too many requests";
  const error = new RegistryError(problem, { status: 429, url: "https://registry.example/" });

  const { ms, sent } = await download(only(5, { stallMs: 8000 }), (request, { onRetry }) => {
    if (request === 3) onRetry?.({ offset: 0, error, delayMs: 0 });
  });

  assertGreater(ms, 8000);
  assertEquals(sent, BYTES.length);
});

Deno.test("ingest() bounds the bytes that it requests twice", async () => {
  // Half of the connections deliver little, whatever replaces them.
  const { sent } = await download((request) => request % 2 === 0 ? {} : { rate: 600 });

  assertLess(sent, BYTES.length * EXTRA);
});

for (const seed of [1, 2, 3, 4]) {
  Deno.test(`ingest() gets the right bytes over a line of which parts are slow (seed ${seed})`, async () => {
    const random = new Random(seed);
    const { sent } = await download(() => {
      const rate = 15_000 / random.between(1, 20);
      if (random.chance(0.8)) return { rate };
      const stallAfter = random.chance(0.5) ? 0 : random.below(2_000_000);
      return { rate, stallAfter, stallMs: random.below(10_000) };
    });

    assert(sent >= BYTES.length && sent < BYTES.length * EXTRA, `${sent} bytes`);
  });
}
