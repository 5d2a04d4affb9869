import { assert, assertEquals, assertLess } from "@std/assert";
import { pull, unpack } from "../../../cache/mod.ts";
import { parseReference } from "../../../registry/mod.ts";
import { ContentStore, ImageFiles } from "../../../store/mod.ts";
import { concat, noise } from "../../_support/bytes.ts";
import {
  type ChunkedEntry,
  type ChunkedLayerOptions,
  stargzLayer,
  type TableFields,
  zstdChunkedLayer,
} from "../../_support/chunked_layer.ts";
import { faultyRegistry } from "../../_support/faulty_registry.ts";
import { buildImage, type LayerInput, MemoryContent } from "../../_support/image.ts";
import "../../_support/native_backend.ts";
import { rotBlob } from "../../_support/rot.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { testClient } from "../../registry/_client.ts";

const KIB = 1024;
const CHUNKS = { chunkSize: 256 * KIB };
const LARGE = noise(2048 * KIB, 1);
/** One of eight chunks differs. */
const CHANGED = concat(
  LARGE.subarray(0, 512 * KIB),
  noise(256 * KIB, 2),
  LARGE.subarray(768 * KIB),
);
const SMALL = noise(10 * KIB, 3);

const OLD: readonly ChunkedEntry[] = [
  { file: "small", content: SMALL },
  { file: "usr/old", content: noise(700 * KIB, 4) },
  { file: "usr/large", content: LARGE },
];
const NEW: readonly ChunkedEntry[] = [
  { file: "moved/large", content: LARGE },
  { file: "small", content: SMALL },
  { file: "new", content: noise(4000 * KIB, 5) },
  { file: "usr/large", content: CHANGED },
];

type Writer = (entries: readonly ChunkedEntry[], options?: ChunkedLayerOptions) => LayerInput;

/** A store with the first version of an image, and the second version in a registry. */
async function makeScene(first: LayerInput, second: LayerInput) {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await makeTempDir({ large: true }));
  const content = new MemoryContent()
    .add("a/b", "1", buildImage({ layers: [first] }))
    .add("a/b", "2", buildImage({ layers: [second] }));
  const registry = stack.use(faultyRegistry(content));
  const client = stack.use(testClient());
  const options = { store: directory.join("store"), platform: "linux/amd64", client };
  const stored = await pull(`${registry.host}/a/b:1`, options);
  const store = await ContentStore.open(directory.join("store"));
  const reference = parseReference(`${registry.host}/a/b:2`);
  const remote = await client.image(reference, { platform: "linux/amd64" });
  const files = new ImageFiles(store, remote);
  // Read the table, which is fetched in any case.
  await files.find("new");
  const before = { requests: registry.requests.length, bytes: registry.bytesSent("blob") };
  return {
    files,
    store,
    path: (name: string) => directory.join(name),
    stored: stored.layers[0]?.digest ?? "sha256:",
    unpack: (paths: readonly string[]) => {
      return unpack(`${registry.host}/a/b:2`, directory.join("out"), { ...options, paths });
    },
    read: async (path: string) => await new Response(await files.read(path)).bytes(),
    /** Requests for blobs, and the bytes in the answers, since the table was read. */
    get fetched() {
      return {
        requests: registry.requests.length - before.requests,
        bytes: registry.bytesSent("blob") - before.bytes,
      };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const WRITERS = [
  { from: "an eStargz", to: "an eStargz", first: stargzLayer, second: stargzLayer },
  {
    from: "a zstd:chunked",
    to: "a zstd:chunked",
    first: zstdChunkedLayer,
    second: zstdChunkedLayer,
  },
  { from: "a zstd:chunked", to: "an eStargz", first: zstdChunkedLayer, second: stargzLayer },
] satisfies readonly { from: string; to: string; first: Writer; second: Writer }[];

Deno.test.each(WRITERS)(
  "ImageFiles takes a file of $to layer from $from layer in the store",
  async ({ first, second }) => {
    await using scene = await makeScene(first(OLD, CHUNKS), second(NEW, CHUNKS));

    assertEquals(await scene.read("moved/large"), LARGE);

    assertEquals(scene.fetched, { requests: 0, bytes: 0 });
    assertEquals(scene.files.reusedBytes, LARGE.length);
  },
);

Deno.test.each(WRITERS)(
  "ImageFiles fetches only the chunks of $to layer that $from layer lacks",
  async ({
    first,
    second,
  }) => {
    await using scene = await makeScene(first(OLD, CHUNKS), second(NEW, CHUNKS));

    assertEquals(await scene.read("usr/large"), CHANGED);

    assertEquals(scene.fetched.requests, 1);
    assertLess(scene.fetched.bytes, 260 * KIB);
    assertEquals(scene.files.reusedBytes, LARGE.length - 256 * KIB);
  },
);

Deno.test("ImageFiles fetches a small file without looking for it in the store", async () => {
  await using scene = await makeScene(stargzLayer(OLD), stargzLayer(NEW));

  assertEquals(await scene.read("small"), SMALL);

  assertEquals([scene.fetched.requests, scene.files.reusedBytes], [1, 0]);
});

Deno.test("ImageFiles fetches a chunk from the registry if that in the store is damaged", async () => {
  await using scene = await makeScene(stargzLayer(OLD, CHUNKS), stargzLayer(NEW, CHUNKS));
  const { store, stored } = scene;
  // The third of the last eight chunks: noise is hardly longer when it is compressed.
  const { size } = await Deno.lstat(store.blobPath(stored as `sha256:${string}`));
  await rotBlob(store, stored as `sha256:${string}`, size - 1400 * KIB);

  assertEquals(await scene.read("moved/large"), LARGE);

  const { reusedBytes } = scene.files;
  assert(reusedBytes > 0 && reusedBytes < LARGE.length, `${reusedBytes}`);
  assertEquals(scene.fetched.requests, 1);
  assertLess(scene.fetched.bytes, LARGE.length - reusedBytes + 10 * KIB);
});

Deno.test("ImageFiles fetches a file if its layer is removed from the store", async () => {
  await using scene = await makeScene(stargzLayer(OLD, CHUNKS), stargzLayer(NEW, CHUNKS));
  await Deno.remove(scene.store.blobPath(scene.stored as `sha256:${string}`));

  assertEquals(await scene.read("moved/large"), LARGE);

  assertEquals([scene.fetched.requests, scene.files.reusedBytes], [1, 0]);
});

/** Changes the entries of a file in a table. */
function changing(change: (entry: TableFields) => TableFields): ChunkedLayerOptions {
  return {
    ...CHUNKS,
    change: (entries) => entries.map((entry) => entry.name === "usr/large" ? change(entry) : entry),
  };
}

const LIES: readonly { readonly what: string; readonly options: ChunkedLayerOptions }[] = [
  { what: "has other offsets", options: changing((entry) => ({ ...entry, offset: 1 })) },
  { what: "has other sizes", options: changing(({ chunkSize: _, ...entry }) => entry) },
  {
    what: "has offsets within streams",
    options: changing((entry) => ({ ...entry, innerOffset: 1 })),
  },
  {
    what: "has the digests of other chunks",
    options: {
      ...CHUNKS,
      change: (entries) => {
        const digests = entries.map(({ chunkDigest }) => chunkDigest).toReversed();
        return entries.map((entry, index) => ({ ...entry, chunkDigest: digests[index] }));
      },
    },
  },
  {
    what: "has another digest",
    options: { ...CHUNKS, tableDigest: `sha256:${"0".repeat(64)}` },
  },
];

Deno.test.each(LIES)("ImageFiles reads the right bytes if a table in the store $what", async ({
  options,
}) => {
  await using scene = await makeScene(stargzLayer(OLD, options), stargzLayer(NEW, CHUNKS));

  assertEquals(await scene.read("moved/large"), LARGE);
  assertEquals(await scene.read("usr/large"), CHANGED);

  assertEquals([scene.fetched.requests, scene.files.reusedBytes], [2, 0]);
});

Deno.test("unpack() takes chunks from the store, except between others that it fetches", async () => {
  const many = (seed: number) => {
    return Array.from({ length: 20 }, (_, i) => ({
      file: `etc/${seed + i}`,
      content: noise(30 * KIB, seed + i),
    }));
  };
  const first = stargzLayer([...many(100), ...OLD]);
  // Files that the store has lie between others.
  const mixed = many(200).flatMap((entry, i) => [entry, many(100)[i] ?? entry]);
  const second = stargzLayer([...mixed, { file: "etc/large", content: LARGE }, ...NEW.slice(1)]);
  await using scene = await makeScene(first, second);

  const { report } = await scene.unpack(["etc"]);

  assertEquals(await Deno.readFile(scene.path("out/etc/large")), LARGE);
  for (const { file, content } of [...many(100), ...many(200)]) {
    assertEquals(await Deno.readFile(scene.path(`out/${file}`)), content);
  }
  assertEquals([report.isPartial, report.reusedBytes], [true, LARGE.length + 30 * KIB]);
  // The table again, the manifest, the config, and one for the files.
  assertLess(scene.fetched.requests, 6);
  assertLess(scene.fetched.bytes, 1400 * KIB);
});

Deno.test("ImageFiles does not take a chunk of another size from the store", async () => {
  const text = LARGE.subarray(0, 256 * KIB);
  const entries = [{ file: "a", content: text }, { file: "b", content: text }, ...NEW];
  const lie = stargzLayer(entries, {
    ...CHUNKS,
    change: (table) => table.map((entry) => entry.name === "a" ? { ...entry, size: 100 } : entry),
  });
  await using scene = await makeScene(stargzLayer(OLD, CHUNKS), lie);

  const read = await scene.unpack(["a", "b"]).catch((error) => error);

  assertEquals([read.name, read.code], ["DigestMismatchError", "digest-mismatch"]);
});
