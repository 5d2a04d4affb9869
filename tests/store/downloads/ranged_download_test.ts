import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { RangePool } from "../../../store/downloads/_range_pool.ts";
import { type BlobFollower, DiskFullError } from "../../../store/mod.ts";
import { followerOf, randomBlob } from "../../_support/blob_source.ts";
import { mountSmallDisk, mountTest } from "../../_support/mounting.ts";
import { stoppedClock } from "../../_support/stopped_clock.ts";
import { BYTES, DESCRIPTOR, MIB, openStore, pausing, rangedSource } from "./_ranged_source.ts";

Deno.test("ingest() downloads a large blob over several connections", async () => {
  await using scene = await openStore();
  using _clock = stoppedClock();
  const source = rangedSource();
  const progress: number[] = [];

  await scene.ingest(source, { onProgress: ({ bytes }) => progress.push(bytes) });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.sent, BYTES.length);
  assert(source.peak > 1 && source.peak <= 5, `${source.peak} streams at once`);
  assertEquals(progress.toSorted((a, b) => a - b), progress);
  assertEquals(progress.at(-1), BYTES.length);
  assertEquals(await Array.fromAsync(Deno.readDir(scene.directory.join("store/ingest"))), []);
});

mountTest("ingest() reports a full disk during a download in ranges", async () => {
  await using scene = await openStore();
  using _disk = mountSmallDisk(scene.directory.join("store/ingest"), 4 * MIB);

  const error = await assertRejects(() => scene.ingest(rangedSource()), DiskFullError);

  assertEquals([error.digest, error.path], [DESCRIPTOR.digest, scene.part]);
  assert(error.size > MIB && error.size < 4 * MIB, `${error.size} bytes are kept`);
});

Deno.test("ingest() passes on the ranges of a blob in order", async () => {
  await using scene = await openStore();
  const chunks: Uint8Array<ArrayBuffer>[] = [];

  await scene.ingest(rangedSource(), { follower: followerOf((chunk) => void chunks.push(chunk)) });

  assertEquals(await new Blob(chunks).bytes(), BYTES);
});

Deno.test("ingest() fetches short ranges if the bytes are processed as they arrive", async () => {
  const lengths = async (follower?: BlobFollower) => {
    await using scene = await openStore();
    using _clock = stoppedClock();
    const source = rangedSource();
    await scene.ingest(source, { connections: 2, follower });
    return source.requests.map(({ length = Infinity }) => length / MIB);
  };

  const [alone, followed] = [await lengths(), await lengths(followerOf(() => {}))];

  assert(Math.max(...alone) > 8, `ranges of ${alone} MiB`);
  assertLess(Math.max(...followed), 6);
});

Deno.test("ingest() fetches shorter ranges where the bytes are needed sooner", async () => {
  await using scene = await openStore();
  using _clock = stoppedClock();
  const almostAll = Promise.withResolvers<void>();
  const source = rangedSource({
    onChunk: () => {
      if (source.sent > 20 * MIB) almostAll.resolve();
    },
  });
  const follower = followerOf(() => almostAll.promise);

  await scene.store.ingest(DESCRIPTOR, source.open, { connections: 4, latencyMs: 100, follower });

  const lengths = source.requests.map(({ length = 0 }) => length);
  assertEquals(lengths.slice(0, 3), [MIB, MIB, MIB]);
  assertLess(lengths[3] ?? Infinity, 2 * MIB);
  assertGreater(Math.max(...lengths), 2 * MIB);
});

Deno.test("ingest() passes on the bytes in order while later ranges arrive", async () => {
  await using scene = await openStore();
  const early = Promise.withResolvers<void>();
  let taken = 0;
  const follower = followerOf((chunk) => {
    taken += chunk.length;
    if (taken >= 6 * MIB) early.resolve();
  });
  const source = rangedSource();
  // The last half of the blob stalls until the first quarter has been passed on.
  const open: typeof source.open = async (options) => {
    const stream = await source.open(options);
    return (options.offset ?? 0) >= 12 * MIB
      ? ReadableStream.from(pausing(stream, () => early.promise))
      : stream;
  };

  await scene.store.ingest(DESCRIPTOR, open, { connections: 12, latencyMs: 100, follower });

  assertEquals(await scene.content(), BYTES);
  // No other connection had to take over a stalled range.
  assertEquals(source.sent, BYTES.length);
});

Deno.test("ingest() sends one request to a server without ranges", async () => {
  await using scene = await openStore();
  const source = rangedSource({ sendsWhole: () => true });

  await scene.ingest(source);

  assertEquals(await scene.content(), BYTES);
  assertEquals([source.requests.length, source.sent], [1, BYTES.length]);
});

Deno.test("ingest() uses one connection for a small blob", async () => {
  await using scene = await openStore();
  const { descriptor, bytes } = randomBlob(MIB);
  const source = rangedSource({ bytes });

  await scene.store.ingest(descriptor, source.open, { connections: 4, latencyMs: 100 });

  assertEquals(source.requests, [{ offset: 0, length: undefined }]);
});

Deno.test("ingest() uses one connection once a server answers a range with the whole blob", async () => {
  await using scene = await openStore();
  const source = rangedSource({ sendsWhole: (request) => request >= 2 });

  await scene.ingest(source);

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.requests.at(-1)?.length, undefined);
  assertEquals(await exists(`${scene.part}.ranges`), false);
});

Deno.test("ingest() fetches only the missing ranges of an interrupted download", async () => {
  await using scene = await openStore();
  const broken = rangedSource({ failAfter: 15 * MIB });
  await assertRejects(() => scene.ingest(broken), TypeError, "connection cut");

  const source = rangedSource();
  const { resumed } = await scene.ingest(source);

  assertEquals(await scene.content(), BYTES);
  assertEquals(resumed + source.sent, BYTES.length);
  assertLess(broken.sent + source.sent, BYTES.length * 1.05);
});

for (const connections of [1, 4]) {
  Deno.test(`ingest() with ${connections} connections fetches only a short gap`, async () => {
    await using scene = await openStore();
    const other = randomBlob(1);
    await scene.store.ingest(other.descriptor, rangedSource(other).open);
    const [start, end] = [20 * MIB, 21 * MIB];
    await Deno.writeFile(scene.part, BYTES.slice().fill(0, start, end));
    const lines = [[0, start], [end, BYTES.length - end]].map((line) => {
      return line.map((value) => String(value).padStart(16, "0")).join(" ") + "\n";
    });
    await Deno.writeTextFile(`${scene.part}.ranges`, lines.join(""));
    const source = rangedSource();

    await scene.ingest(source, { connections });

    assertEquals(await scene.content(), BYTES);
    assertEquals([source.sent, source.peak], [end - start, 1]);
  });
}

Deno.test("ingest() resumes a ranged download over one connection", async () => {
  await using scene = await openStore();
  const broken = rangedSource({ failAfter: 15 * MIB });
  await assertRejects(() => scene.ingest(broken));

  await scene.store.ingest(DESCRIPTOR, rangedSource().open);

  assertEquals(await scene.content(), BYTES);
  assertEquals(await exists(`${scene.part}.ranges`), false);
});

Deno.test("ingest() fetches a blob again if its ranges are wrong", async () => {
  await using scene = await openStore();
  const wrong = BYTES.slice();
  wrong[20 * MIB] = (wrong[20 * MIB] ?? 0) ^ 1;
  const lying = rangedSource({ bytes: wrong });
  const honest = rangedSource();
  const again: (boolean | undefined)[] = [];

  await scene.store.ingest(DESCRIPTOR, (options) => {
    again.push(options.again);
    return options.again ? honest.open(options) : lying.open(options);
  }, { connections: 4, latencyMs: 100 });

  assertEquals(await scene.content(), BYTES);
  assertEquals(honest.requests, [{ offset: 0, length: undefined }]);
  assertEquals(again.at(-1), true);
});

Deno.test("ingest() does not write through a symlink in place of the record of ranges", async () => {
  await using scene = await openStore();
  const own = scene.directory.join("own");
  await Deno.writeTextFile(own, "mine");
  await scene.store.ingest(
    randomBlob(1).descriptor,
    rangedSource({ bytes: randomBlob(1).bytes }).open,
  );
  await Deno.symlink(own, `${scene.part}.ranges`);
  await Deno.symlink(own, `${scene.part}.ranges.tmp`);

  await scene.ingest(rangedSource());

  assertEquals(await scene.content(), BYTES);
  assertEquals(await Deno.readTextFile(own), "mine");
});

Deno.test("ingest() closes every connection on abort", async () => {
  await using scene = await openStore();
  const controller = new AbortController();
  const reason = new Error("enough");
  const source = rangedSource();

  const ingested = scene.ingest(source, {
    signal: controller.signal,
    onProgress: ({ bytes }) => {
      if (bytes > 10 * MIB) controller.abort(reason);
    },
  });

  assertEquals(await ingested.catch((error) => error), reason);
  assertLess(source.sent, 14 * MIB);
});

Deno.test("ingest() can be aborted while other blobs use all connections", async () => {
  await using scene = await openStore();
  const { descriptor, bytes } = randomBlob(12 * MIB);
  const [first, second] = [new AbortController(), new AbortController()];
  const options = { connections: 2, latencyMs: 100, source: "https://registry.example/blob" };
  const stalled = rangedSource({ stalls: () => true });
  const held = scene.ingest(stalled, { ...options, signal: first.signal }).catch(() => {});
  const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
  while (stalled.requests.length < options.connections) await turn();
  using pool = RangePool.join("registry.example", options.connections);
  const { unassigned } = pool;

  const source = rangedSource({ bytes });
  const waiting = scene.store.ingest(descriptor, source.open, {
    ...options,
    signal: second.signal,
  });
  while (pool.unassigned === unassigned) await turn();
  second.abort(new Error("enough"));

  await assertRejects(() => waiting, Error, "enough");
  assertEquals(source.requests, []);
  first.abort();
  await held;
});

Deno.test("ingest() takes over a range whose connection stalls", async () => {
  await using scene = await openStore();
  using clock = stoppedClock();
  const source = rangedSource({
    stalls: (request) => request === 2,
    onStall: () => clock.pass(20),
    onChunk: () => clock.pass(1),
  });

  await scene.ingest(source);

  assertEquals(await scene.content(), BYTES);
});

for (const acceptsRanges of [false, true]) {
  const server = acceptsRanges ? "that has said that it sends ranges" : "that has not said so";
  Deno.test(`ingest() shares the connections to a host ${server} among its blobs`, async () => {
    await using scene = await openStore();
    const blobs = [1, 2, 3].map((seed) => randomBlob(12 * MIB, seed));
    let open = 0;
    let peak = 0;

    await Promise.all(blobs.map(({ descriptor, bytes }) => {
      const source = rangedSource({ bytes });
      return scene.store.ingest(descriptor, async (options) => {
        const stream = await source.open(options);
        peak = Math.max(peak, ++open);
        const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
          flush: () => void open--,
        });
        return stream.pipeThrough(counted);
      }, {
        connections: 4,
        latencyMs: 100,
        acceptsRanges,
        source: "https://registry.example/blob",
      });
    }));

    // A range may start while the one before it ends.
    assertLess(peak, 8);
  });
}
