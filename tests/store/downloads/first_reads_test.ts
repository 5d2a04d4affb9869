import { assertEquals, assertRejects } from "@std/assert";
import type { UpcomingLayer } from "../../../registry/image_client.ts";
import type { Digest } from "../../../spec/digest.ts";
import { firstReads } from "../../../store/downloads/first_reads.ts";
import { ContentStore } from "../../../store/mod.ts";
import { buildImage } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const IMAGE = buildImage({
  layers: ["1", "2", "3"].map((text) => tar(file(text, new TextEncoder().encode(text)))),
});
const LAYERS: readonly UpcomingLayer[] = IMAGE.layers.map(({ descriptor }) => {
  return { descriptor, source: "http://localhost/", latencyMs: 100 };
});

/** Returns the digests of layers to read first. */
const digestsOf = (layers: readonly Pick<UpcomingLayer, "descriptor">[]) => {
  return layers.map(({ descriptor }) => descriptor.digest);
};

Deno.test("firstReads() locks the layers until the reads are dropped", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));

  const first = await firstReads(store, LAYERS, 2);
  const second = await firstReads(store, LAYERS, 2);
  for (const { lock } of first) lock?.[Symbol.dispose]();
  const parts = await Array.fromAsync(Deno.readDir(directory.join("store/ingest")));
  const third = await firstReads(store, LAYERS, 2);
  for (const { lock } of third) lock?.[Symbol.dispose]();

  assertEquals(digestsOf(first), digestsOf(LAYERS.slice(0, 2)));
  // The third layer is not among the first ones that the process downloads.
  assertEquals(second, []);
  assertEquals(parts, []);
  assertEquals(digestsOf(third), digestsOf(first));
});

Deno.test("firstReads() passes the lock of a layer on to its download", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));
  const [built] = IMAGE.layers;
  if (built === undefined) throw new Error("none");

  const [read] = await firstReads(store, LAYERS, 1);
  const open = () => Promise.resolve(new Blob([built.bytes]).stream());
  const { status } = await store.ingest(built.descriptor, open);
  read?.lock?.[Symbol.dispose]();

  assertEquals(status, "fetched");
  assertEquals(await store.has(built.descriptor), true);
});

Deno.test("firstReads() keeps no lock if it fails", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));
  let looks = 0;
  const failing = {
    path: store.path,
    hold: () => store.hold(),
    blobPath: (digest: Digest) => {
      // It looks for each layer, and once more after each lock.
      if (++looks > LAYERS.length + 1) throw new Error("no more files");
      return store.blobPath(digest);
    },
  };

  await assertRejects(() => firstReads(failing, LAYERS), Error, "no more files");
  const next = await firstReads(store, LAYERS);
  for (const { lock } of next) lock?.[Symbol.dispose]();

  assertEquals(digestsOf(next), digestsOf(LAYERS));
});
