import { assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { type BlobReadOptions, DigestMismatchError, OciError } from "../../../spec/mod.ts";
import { ContentStore, type Ingestion, type IngestProgress } from "../../../store/mod.ts";
import { countingSource, followerOf, randomBlob } from "../../_support/blob_source.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";
import { makeTempStore } from "../../_support/temp_store.ts";

const BLOB = randomBlob(1_000_000);
const { descriptor: DESCRIPTOR, bytes: BYTES } = BLOB;
const PART = `ingest/${DESCRIPTOR.digest.replace(":", "-")}.part`;

Deno.test("ingest() stores a blob under its digest and leaves no part", async () => {
  await using store = await makeTempStore();

  const { status } = await store.ingest(DESCRIPTOR, countingSource(BYTES).open);

  assertEquals(status, "fetched");
  assertEquals(await Deno.readFile(store.blobPath(DESCRIPTOR.digest)), BYTES);
  assertEquals(await namesIn(`${store.path}/ingest`), []);
});

Deno.test("ingest() does not fetch stored blobs", async () => {
  await using store = await makeTempStore();
  await store.ingest(DESCRIPTOR, countingSource(BYTES).open);

  const source = countingSource(BYTES);
  const { status } = await store.ingest(DESCRIPTOR, source.open);

  assertEquals([status, source.offsets], ["cached", []]);
});

Deno.test("ingest() rejects a descriptor with an invalid size", async () => {
  await using store = await makeTempStore();
  const ingest = () => store.ingest({ ...DESCRIPTOR, size: -1 }, countingSource(BYTES).open);

  const error = await assertRejects(ingest, RangeError, '"size" must be an integer >= 0');

  assertEquals("code" in error && error.code, "invalid-argument");
});

Deno.test("ingest() stores the empty blob", async () => {
  await using store = await makeTempStore();
  const { descriptor, bytes } = randomBlob(0);

  await store.ingest(descriptor, countingSource(bytes).open);

  assertEquals(await store.readBlob(descriptor), bytes);
});

Deno.test("ingest() resumes a failed transfer", async () => {
  await using store = await makeTempStore();
  const broken = countingSource(BYTES, { failAfter: 600_000 });
  await assertRejects(() => store.ingest(DESCRIPTOR, broken.open), TypeError, "connection cut");

  const source = countingSource(BYTES);
  const { resumed } = await store.ingest(DESCRIPTOR, source.open);

  assertEquals(source.offsets, [broken.bytes]);
  assertEquals(resumed, broken.bytes);
  assertEquals(broken.bytes + source.bytes, BYTES.length);
});

Deno.test("ingest() requests raw bytes, and verifies them itself", async () => {
  await using store = await makeTempStore();
  const source = countingSource(BYTES);
  const reads: (boolean | undefined)[] = [];

  await store.ingest(DESCRIPTOR, (options) => {
    reads.push(options.raw);
    return source.open(options);
  });

  assertEquals(reads, [true]);
});

Deno.test("ingest() reuses memory only if no follower retains the chunks", async () => {
  await using store = await makeTempStore();
  const seen: (boolean | undefined)[] = [];
  const open = ({ reuseMemory }: BlobReadOptions) => {
    seen.push(reuseMemory);
    return Promise.resolve(new Blob([BYTES]).stream());
  };
  const kept: Uint8Array[] = [];
  const follower = followerOf((chunk) => void kept.push(chunk));
  await store.ingest(DESCRIPTOR, open);
  await Deno.remove(store.blobPath(DESCRIPTOR.digest));

  await store.ingest(DESCRIPTOR, open, { follower });

  assertEquals(seen, [true, false]);
  assertEquals(new Uint8Array(await new Blob(kept as BlobPart[]).arrayBuffer()), BYTES);
});

Deno.test("ingest() commits a complete part without a request", async () => {
  await using store = await makeStoreWithPart(BYTES);

  const source = countingSource(BYTES);
  await store.ingest(DESCRIPTOR, source.open);

  assertEquals(source.offsets, []);
  assertEquals(await store.readBlob(DESCRIPTOR), BYTES);
});

Deno.test("ingest() discards a corrupt part and restarts, once", async () => {
  await using store = await makeStoreWithPart(new Uint8Array(500_000));

  const source = countingSource(BYTES);
  await store.ingest(DESCRIPTOR, source.open);

  assertEquals(source.offsets, [500_000, 0]);
  assertEquals(await store.readBlob(DESCRIPTOR), BYTES);
});

Deno.test("ingest() discards a part that is longer than the blob", async () => {
  await using store = await makeStoreWithPart(new Uint8Array(1_000_001));

  const source = countingSource(BYTES);
  await store.ingest(DESCRIPTOR, source.open);

  assertEquals(source.offsets, [0]);
});

const WRONG = BYTES.with(999_999, 1 ^ (BYTES[999_999] ?? 0));

Deno.test.each([
  { what: "a wrong byte", bytes: WRONG, kept: 0 },
  { what: "an extra byte", bytes: new Uint8Array([...BYTES, 0]), kept: 0 },
  // The received bytes may be right, so the download is resumed.
  { what: "a short body", bytes: BYTES.subarray(0, 999_999), kept: 1 },
])("ingest() rejects $what and shows nothing of it", async ({ bytes, kept }) => {
  await using store = await makeTempStore();

  const error = await assertRejects(
    () => store.ingest(DESCRIPTOR, countingSource(bytes).open),
    DigestMismatchError,
  );

  assertEquals(error.expected, DESCRIPTOR.digest);
  assertEquals(error instanceof OciError, true);
  assertEquals(await namesIn(`${store.path}/blobs/sha256`), []);
  assertEquals((await namesIn(`${store.path}/ingest`)).length, kept);
});

Deno.test("ingest() completes a download after a short body", async () => {
  await using store = await makeTempStore();
  const short = countingSource(BYTES.subarray(0, 700_000));
  await assertRejects(() => store.ingest(DESCRIPTOR, short.open), DigestMismatchError);

  const source = countingSource(BYTES);
  await store.ingest(DESCRIPTOR, source.open);

  assertEquals(source.offsets, [700_000]);
});

Deno.test("ingest() restarts once, from another source, if the bytes are wrong", async () => {
  await using store = await makeTempStore();
  const asked: BlobReadOptions[] = [];
  const open = (options: BlobReadOptions) => {
    asked.push(options);
    return Promise.resolve(new Blob([options.again ? BYTES : WRONG]).stream());
  };

  const { retries } = await store.ingest(DESCRIPTOR, open);

  assertEquals([asked.map(({ offset }) => offset), retries], [[0, 0], 1]);
  assertEquals(await store.readBlob(DESCRIPTOR), BYTES);
});

Deno.test("ingest() fetches once for many tasks, and reports the progress to each", async () => {
  await using store = await makeTempStore();
  const source = countingSource(BYTES);
  const seen = Array.from({ length: 5 }, () => [] as IngestProgress[]);

  const results = await Promise.all(
    seen.map((list) =>
      store.ingest(DESCRIPTOR, source.open, { onProgress: (progress) => list.push(progress) })
    ),
  );

  assertEquals(source.offsets, [0]);
  assertEquals(results.filter(({ status }) => status === "fetched").length, 1);
  assertEquals(seen.map((list) => list.at(-1)?.bytes), Array(5).fill(BYTES.length));
});

Deno.test("ingest() fetches once for two stores in one directory", async () => {
  await using directory = await makeTempDir();
  const stores = [
    await ContentStore.open(directory.path),
    await ContentStore.open(`${directory.path}/.`),
  ];
  const source = countingSource(BYTES);

  await Promise.all(stores.map((store) => store.ingest(DESCRIPTOR, source.open)));

  assertEquals(source.offsets, [0]);
});

Deno.test("ingest() takes over from a task that is aborted", async () => {
  await using store = await makeTempStore();
  const controller = new AbortController();
  const reason = new Error("enough");
  const source = countingSource(BYTES);
  let second: Promise<Ingestion> | undefined;
  const stalled = countingSource(BYTES, {
    stallAfter: 300_000,
    onStall: () => {
      second = store.ingest(DESCRIPTOR, source.open);
      controller.abort(reason);
    },
  });

  const first = await assertRejects(
    () => store.ingest(DESCRIPTOR, stalled.open, { signal: controller.signal }),
  );

  assertEquals(first, reason);
  assertEquals((await second)?.status, "fetched");
  assertEquals(source.offsets, [stalled.bytes]);
});

Deno.test("ingest() stops waiting for another task on abort", async () => {
  await using store = await makeTempStore();
  const [owner, waiter] = [new AbortController(), new AbortController()];
  const reason = new Error("enough");
  const stalled = countingSource(BYTES, {
    stallAfter: 1,
    onStall: () => waiter.abort(reason),
  });
  const owned = store.ingest(DESCRIPTOR, stalled.open, { signal: owner.signal });
  const ended = assertRejects(() => owned);

  const waited = store.ingest(DESCRIPTOR, stalled.open, { signal: waiter.signal });
  const error = await waited.then(() => undefined, (error) => error);
  owner.abort();
  await ended;

  assertEquals(error, reason);
  assertEquals(stalled.offsets, [0]);
});

Deno.test("ingest() stops waiting for the lock of another process on abort", async () => {
  await using store = await makeStoreWithPart(new Uint8Array());
  using held = await Deno.open(partOf(store), { write: true });
  await held.lock(true);

  const error = await assertRejects(
    () => store.ingest(DESCRIPTOR, countingSource(BYTES).open, { signal: AbortSignal.timeout(30) }),
    DOMException,
  );

  assertEquals(error.name, "TimeoutError");
});

Deno.test("ingest() uses a blob that another process stores in the meantime", async () => {
  await using store = await makeStoreWithPart(new Uint8Array());
  const held = await Deno.open(partOf(store), { write: true });
  await held.lock(true);
  const source = countingSource(BYTES);
  const progress: number[] = [];
  const ingested = store.ingest(DESCRIPTOR, source.open, {
    onProgress: ({ bytes }) => {
      progress.push(bytes);
      // Once this task waits, the other one commits its bytes.
      if (progress.length > 1) return;
      held.writeSync(BYTES);
      Deno.renameSync(partOf(store), store.blobPath(DESCRIPTOR.digest));
      held.close();
    },
  });

  const { status } = await ingested;

  assertEquals([status, source.offsets], ["cached", []]);
  assertEquals(await namesIn(`${store.path}/ingest`), []);
});

Deno.test("ingest() replaces a blob that is corrupt", async () => {
  await using store = await makeTempStore();
  await store.ingest(DESCRIPTOR, countingSource(BYTES).open);
  await Deno.writeFile(store.blobPath(DESCRIPTOR.digest), new Uint8Array(BYTES.length));

  const source = countingSource(BYTES);
  const { status } = await store.ingest(DESCRIPTOR, source.open);

  assertEquals(status, "fetched");
  assertEquals(await store.readBlob(DESCRIPTOR), BYTES);
});

Deno.test("ingest() counts the attempts after the first", async () => {
  await using store = await makeTempStore();
  const source = countingSource(BYTES);

  const { retries } = await store.ingest(DESCRIPTOR, (options) => {
    options.onRetry?.({ offset: 0, error: new TypeError("cut"), delayMs: 0 });
    return source.open(options);
  });

  assertEquals(retries, 1);
});

Deno.test("ingest() keeps the part when it is aborted before the first byte of a stream", async () => {
  await using store = await makeStoreWithPart(BYTES.subarray(0, 10));
  const controller = new AbortController();

  await assertRejects(() =>
    store.ingest(DESCRIPTOR, ({ signal }) => {
      controller.abort();
      return Promise.reject(signal?.reason);
    }, { signal: controller.signal })
  );

  assertEquals((await Deno.stat(partOf(store))).size, 10);
  assertEquals(await store.has(DESCRIPTOR), false);
});

Deno.test("ingest() accepts a stored blob in a store without marks", async () => {
  await using directory = await makeTempDir();
  await (await ContentStore.open(directory.path)).ingest(DESCRIPTOR, countingSource(BYTES).open);
  await Deno.remove(directory.join("verified"), { recursive: true });

  const store = await ContentStore.open(directory.path);
  const { status } = await store.ingest(DESCRIPTOR, countingSource(BYTES).open);

  assertEquals(status, "cached");
  assertEquals(await exists(directory.join("verified")), false);
});

function partOf({ path }: ContentStore): string {
  return `${path}/${PART}`;
}

/** Creates a store with a part of the blob. */
async function makeStoreWithPart(bytes: Uint8Array) {
  const store = await makeTempStore();
  // The first blob creates the directories.
  const other = randomBlob(1, 7);
  await store.ingest(other.descriptor, countingSource(other.bytes).open);
  await Deno.writeFile(partOf(store), bytes);
  return store;
}
