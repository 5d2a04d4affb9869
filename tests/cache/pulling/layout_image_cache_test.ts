import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LayoutImageCache } from "../../../cache/mod.ts";
import { parseReference } from "../../../registry/mod.ts";
import type { Digest, RemoteImage } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, buildIndex } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { FakeClient } from "./_fake_client.ts";

const SIZES = [1000, 40_000, 2000, 30_000, 3000, 20_000];
const BUILT = buildImage({
  compression: "none",
  layers: SIZES.map((size, i) => noise(size, i + 1)),
});

Deno.test("writeImage() fetches the largest layer first", async () => {
  await using directory = await makeTempDir();
  const images = new LayoutImageCache(await ContentStore.open(directory.path), { jobs: 1 });
  const opened: number[] = [];

  await images.writeImage(withLayers(await fetchImage(), (layer) => ({
    ...layer,
    compressed: (options) => {
      opened.push(layer.descriptor.size);
      return layer.compressed(options);
    },
  })));

  assertEquals(opened, SIZES.toSorted((a, b) => b - a));
});

Deno.test("writeImage() fetches 'jobs' layers at a time", async () => {
  await using directory = await makeTempDir();
  const images = new LayoutImageCache(await ContentStore.open(directory.path), { jobs: 3 });
  let [running, most] = [0, 0];
  const all = Promise.withResolvers<void>();

  await images.writeImage(withLayers(await fetchImage(), (layer) => ({
    ...layer,
    compressed: async (options) => {
      most = Math.max(most, ++running);
      if (running === 3) all.resolve();
      await all.promise;
      const stream = await layer.compressed(options);
      return stream.pipeThrough(new TransformStream({ flush: () => void running-- }));
    },
  })));

  assertEquals(most, 3);
});

Deno.test("writeImage() fetches a layer that occurs twice once", async () => {
  await using directory = await makeTempDir();
  const images = new LayoutImageCache(await ContentStore.open(directory.path));
  const twice = buildImage({ layers: [noise(1000, 1), noise(2000, 2), noise(1000, 1)] });
  const client = new FakeClient(twice);
  const image = await client.image(parseReference("a"));

  const { layers } = await images.writeImage(image);

  assertEquals(client.calls.filter((call) => call.startsWith("layer")).length, 2);
  assertEquals(layers.map(({ digest }) => digest), twice.layers.map((l) => l.descriptor.digest));
});

Deno.test("writeImage() writes a document after the content that it references", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const image = await fetchImage();
  const order: Digest[] = [];

  const putBytes = store.putBytes.bind(store);
  store.putBytes = async (descriptor, ...rest) => {
    const result = await putBytes(descriptor, ...rest);
    order.push(descriptor.digest);
    return result;
  };

  await new LayoutImageCache(store).writeImage(image);

  assertEquals(order, [
    image.config.descriptor.digest,
    image.manifest.descriptor.digest,
    image.digest,
  ]);
});

Deno.test("writeImage() stops the other layers when one fails, and keeps what has arrived", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const image = await fetchImage();
  const failure = new TypeError("cut");
  const aborted: unknown[] = [];
  const waiting = Promise.withResolvers<void>();

  const written = new LayoutImageCache(store).writeImage(withLayers(image, (layer, i) => ({
    ...layer,
    compressed: async ({ signal } = {}) => {
      if (i === 1) {
        await waiting.promise;
        throw failure;
      }
      return await new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          aborted.push(signal.reason);
          reject(signal.reason);
        });
        waiting.resolve();
      });
    },
  })));

  assertEquals(await written.catch((error) => error), failure);
  assertEquals(new Set(aborted), new Set([failure]));
  assertEquals(await store.has(image.manifest.descriptor), false);
});

Deno.test("writeImage() rejects with the reason of its signal", async () => {
  await using directory = await makeTempDir();
  const images = new LayoutImageCache(await ContentStore.open(directory.path), { jobs: 1 });
  const controller = new AbortController();
  const reason = new Error("enough");
  const image = withLayers(await fetchImage(), (layer) => ({
    ...layer,
    compressed: () => {
      controller.abort(reason);
      return new Promise((_, reject) => reject(reason));
    },
  }));

  const written = images.writeImage(image, { signal: controller.signal });

  assertEquals(await written.catch((error) => error), reason);
});

Deno.test("writeImage() shares 'jobs' between images", async () => {
  await using directory = await makeTempDir();
  const images = new LayoutImageCache(await ContentStore.open(directory.path), { jobs: 1 });
  let [running, most] = [0, 0];
  const counted = async (seed: number) => {
    const built = buildImage({ layers: [noise(50_000, seed), noise(60_000, seed + 1)] });
    return withLayers(await new FakeClient(built).image(parseReference("a")), (layer) => ({
      ...layer,
      compressed: async (options) => {
        most = Math.max(most, ++running);
        const stream = await layer.compressed(options);
        return stream.pipeThrough(new TransformStream({ flush: () => void running-- }));
      },
    }));
  };

  await Promise.all([
    images.writeImage(await counted(20)),
    images.writeImage(await counted(30)),
  ]);

  assertEquals(most, 1);
});

Deno.test.each([0, -1, 1.5, NaN])("LayoutImageCache refuses %d jobs", async (jobs) => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);

  assertThrows(() => new LayoutImageCache(store, { jobs }), RangeError, '"jobs"');
});

Deno.test.each([-1, NaN])(
  "LayoutImageCache refuses a maximum of %d layers",
  async (maxLayers) => {
    await using directory = await makeTempDir();
    const store = await ContentStore.open(directory.path);

    assertThrows(() => new LayoutImageCache(store, { maxLayers }), RangeError, '"maxLayers"');
  },
);

Deno.test("image() enforces maxLayers", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  await new LayoutImageCache(store).writeImage(await fetchImage());

  await assertRejects(() =>
    new LayoutImageCache(store, { maxLayers: 5 }).image(BUILT.descriptor.digest)
  );
});

async function fetchImage(): Promise<RemoteImage> {
  return await new FakeClient(buildIndex([BUILT])).image(parseReference("a"));
}

type RemoteLayers = RemoteImage["layers"];

function withLayers(
  image: RemoteImage,
  change: (layer: RemoteLayers[number], i: number) => RemoteLayers[number],
): RemoteImage {
  return { ...image, layers: image.layers.map(change) };
}
