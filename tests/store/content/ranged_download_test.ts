import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import type { BlobReadOptions } from "../../../spec/mod.ts";
import { type BlobFollower, ContentStore } from "../../../store/mod.ts";
import { chunked } from "../../_support/memory_content.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { randomBlob } from "./_blob_source.ts";

const MIB = 1024 * 1024;
const { descriptor: DESCRIPTOR, bytes: BYTES } = randomBlob(24 * MIB + 12_345);
const PART = `ingest/${DESCRIPTOR.digest.replace(":", "-")}.part`;

/** A far server, which counts what it is asked for. */
interface RangedSource {
  readonly open: (options: BlobReadOptions) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  readonly requests: { readonly offset: number; readonly length: number | undefined }[];
  /** Bytes that were sent. */
  sent: number;
  /** Most streams that were open at once. */
  peak: number;
}

interface RangedSourceOptions {
  /** Whether a request, by its number, is answered with the whole blob. */
  readonly sendsWhole?: (request: number) => boolean;
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** Fails every stream after so many bytes in all. */
  readonly failAfter?: number;
}

function rangedSource(options: RangedSourceOptions = {}): RangedSource {
  const { sendsWhole = () => false, bytes = BYTES, failAfter = Infinity } = options;
  let open = 0;
  const source: RangedSource = {
    requests: [],
    sent: 0,
    peak: 0,
    open: ({ offset = 0, length, onAnswer }) => {
      const isWhole = sendsWhole(source.requests.length);
      source.requests.push({ offset, length });
      if (length !== undefined) onAnswer?.({ isPartial: !isWhole, latencyMs: 100 });
      const end = isWhole || length === undefined ? bytes.length : offset + length;
      const reader = chunked(bytes.subarray(offset, end), 64 * 1024).getReader();
      source.peak = Math.max(source.peak, ++open);
      return Promise.resolve(
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          async pull(controller) {
            if (source.sent >= failAfter) return controller.error(new TypeError("connection cut"));
            const { done, value } = await reader.read();
            if (done) {
              open--;
              return controller.close();
            }
            source.sent += value.length;
            controller.enqueue(value);
          },
          cancel: () => void open--,
        }, { highWaterMark: 0 }),
      );
    },
  };
  return source;
}

async function openStore() {
  const directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));
  return {
    store,
    part: directory.join("store", PART),
    directory,
    content: () => Deno.readFile(store.blobPath(DESCRIPTOR.digest)),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

Deno.test("ingest() downloads a large blob over several connections", async () => {
  await using scene = await openStore();
  const source = rangedSource();
  const progress: number[] = [];

  await scene.store.ingest(DESCRIPTOR, source.open, {
    connections: 4,
    onProgress: ({ bytes }) => progress.push(bytes),
  });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.sent, BYTES.length);
  assert(source.peak > 1 && source.peak <= 5, `${source.peak} streams at once`);
  assertEquals(progress.toSorted((a, b) => a - b), progress);
  assertEquals(progress.at(-1), BYTES.length);
  assertEquals(await Array.fromAsync(Deno.readDir(scene.directory.join("store/ingest"))), []);
});

Deno.test("ingest() passes the ranges of a blob on in order", async () => {
  await using scene = await openStore();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const follower: BlobFollower = {
    write: (chunk) => void chunks.push(chunk),
    close: () => Promise.resolve(),
    restart: () => Promise.resolve(),
  };

  await scene.store.ingest(DESCRIPTOR, rangedSource().open, { connections: 4, follower });

  assertEquals(await new Blob(chunks).bytes(), BYTES);
});

Deno.test("ingest() sends one request to a server without ranges", async () => {
  await using scene = await openStore();
  const source = rangedSource({ sendsWhole: () => true });

  await scene.store.ingest(DESCRIPTOR, source.open, { connections: 4 });

  assertEquals(await scene.content(), BYTES);
  assertEquals([source.requests.length, source.sent], [1, BYTES.length]);
});

Deno.test("ingest() uses one connection for a small blob", async () => {
  await using scene = await openStore();
  const { descriptor, bytes } = randomBlob(MIB);
  const source = rangedSource({ bytes });

  await scene.store.ingest(descriptor, source.open, { connections: 4 });

  assertEquals(source.requests, [{ offset: 0, length: undefined }]);
});

Deno.test("ingest() uses one connection once a server answers a range with the whole", async () => {
  await using scene = await openStore();
  const source = rangedSource({ sendsWhole: (request) => request >= 2 });

  await scene.store.ingest(DESCRIPTOR, source.open, { connections: 4 });

  assertEquals(await scene.content(), BYTES);
  assertEquals(source.requests.at(-1)?.length, undefined);
  assertEquals(await exists(`${scene.part}.ranges`), false);
});

Deno.test("ingest() fetches only the missing ranges of an interrupted download", async () => {
  await using scene = await openStore();
  const broken = rangedSource({ failAfter: 15 * MIB });
  await assertRejects(
    () => scene.store.ingest(DESCRIPTOR, broken.open, { connections: 4 }),
    TypeError,
    "connection cut",
  );

  const source = rangedSource();
  const { resumed } = await scene.store.ingest(DESCRIPTOR, source.open, { connections: 4 });

  assertEquals(await scene.content(), BYTES);
  assertEquals(resumed + source.sent, BYTES.length);
  assertLess(broken.sent + source.sent, BYTES.length * 1.05);
});

Deno.test("ingest() resumes a ranged download over one connection", async () => {
  await using scene = await openStore();
  const broken = rangedSource({ failAfter: 15 * MIB });
  await assertRejects(() => scene.store.ingest(DESCRIPTOR, broken.open, { connections: 4 }));

  await scene.store.ingest(DESCRIPTOR, rangedSource().open);

  assertEquals(await scene.content(), BYTES);
  assertEquals(await exists(`${scene.part}.ranges`), false);
});

Deno.test("ingest() fetches a blob again whose ranges are wrong", async () => {
  await using scene = await openStore();
  const wrong = BYTES.slice();
  wrong[20 * MIB] = (wrong[20 * MIB] ?? 0) ^ 1;
  const lying = rangedSource({ bytes: wrong });
  const honest = rangedSource();
  const again: (boolean | undefined)[] = [];

  await scene.store.ingest(DESCRIPTOR, (options) => {
    again.push(options.again);
    return options.again ? honest.open(options) : lying.open(options);
  }, { connections: 4 });

  assertEquals(await scene.content(), BYTES);
  assertEquals(honest.requests, [{ offset: 0, length: undefined }]);
  assertEquals(again.at(-1), true);
});

Deno.test("ingest() does not write through a link at the record of ranges", async () => {
  await using scene = await openStore();
  const own = scene.directory.join("own");
  await Deno.writeTextFile(own, "mine");
  await scene.store.ingest(
    randomBlob(1).descriptor,
    rangedSource({ bytes: randomBlob(1).bytes }).open,
  );
  await Deno.symlink(own, `${scene.part}.ranges`);
  await Deno.symlink(own, `${scene.part}.ranges.tmp`);

  await scene.store.ingest(DESCRIPTOR, rangedSource().open, { connections: 4 });

  assertEquals(await scene.content(), BYTES);
  assertEquals(await Deno.readTextFile(own), "mine");
});

Deno.test("ingest() stops every connection with its signal", async () => {
  await using scene = await openStore();
  const controller = new AbortController();
  const reason = new Error("enough");
  const source = rangedSource();

  const ingested = scene.store.ingest(DESCRIPTOR, source.open, {
    connections: 4,
    signal: controller.signal,
    onProgress: ({ bytes }) => {
      if (bytes > 10 * MIB) controller.abort(reason);
    },
  });

  assertEquals(await ingested.catch((error) => error), reason);
  assertLess(source.sent, 14 * MIB);
});
