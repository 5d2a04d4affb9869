import { assertEquals } from "@std/assert";
import { parseReference } from "../../../registry/mod.ts";
import type { Descriptor, Digest } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { DocumentReader } from "../../../store/serving/_document_reader.ts";
import { UnfinishedImages } from "../../../store/serving/_unfinished_images.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, buildIndex, type Built } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** Unfinished images of a store that counts lookups. */
async function setUp() {
  const directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const scene = { lookups: 0, onLookup: async (_: Digest) => {} };
  const has = store.has.bind(store);
  store.has = async (descriptor) => {
    scene.lookups++;
    const found = await has(descriptor);
    await scene.onLookup(typeof descriptor === "string" ? descriptor : descriptor.digest);
    return found;
  };
  const images = new UnfinishedImages(
    store,
    new DocumentReader(store),
    { blob: () => Promise.reject(new Error("there is no registry")) },
    undefined,
    { mayName: () => Promise.resolve(true) },
  );
  return {
    scene,
    store,
    images,
    add: (name: string, { descriptor }: Built) => {
      return images.add("a", parseReference(`example.com/a:${name}`), descriptor);
    },
    put: async (built: Built, { digest }: Pick<Descriptor, "digest">) => {
      const blob = built.blobs.get(digest);
      if (blob === undefined) throw new Error(`Cannot find ${digest}`);
      await store.putBytes(blob.descriptor, blob.bytes);
    },
    tags: async () => (await store.references()).map(({ name }) => name),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const IMAGE = buildImage({ layers: [noise(100, 1), noise(100, 2)] });
const NAME = "example.com/a:x";

Deno.test("UnfinishedImages checks only the images that wait for the content", async () => {
  await using proxy = await setUp();
  for (let i = 0; i < 50; i++) {
    await proxy.add(`v${i}`, buildImage({ config: { Labels: { i: String(i) } } }));
  }
  await proxy.add("x", IMAGE);
  proxy.scene.lookups = 0;

  await proxy.images.arrived(IMAGE.descriptor.digest);

  assertEquals(proxy.scene.lookups, 1);
});

Deno.test("UnfinishedImages names an image with its last content, in any order", async () => {
  for (const reverse of [false, true]) {
    await using proxy = await setUp();
    const digests = [...IMAGE.blobs.keys()].sort();
    await proxy.add("x", IMAGE);
    const seen: (readonly string[])[] = [];

    for (const digest of reverse ? digests.toReversed() : digests) {
      await proxy.put(IMAGE, { digest });
      await proxy.images.arrived(digest);
      seen.push(await proxy.tags());
    }

    assertEquals(seen.at(-1), [NAME]);
    assertEquals(seen.slice(0, -1).flat(), []);
  }
});

Deno.test("UnfinishedImages names an index with its first complete image", async () => {
  await using proxy = await setUp();
  const other = buildImage({ platform: "linux/arm64" });
  const index = buildIndex([other, IMAGE]);
  await proxy.put(index, index.descriptor);
  await proxy.add("x", index);

  for (const digest of IMAGE.blobs.keys()) {
    await proxy.put(IMAGE, { digest });
    await proxy.images.arrived(digest);
  }

  assertEquals(await proxy.tags(), [NAME]);
});

Deno.test("UnfinishedImages notices content that arrives during the check", async () => {
  await using proxy = await setUp();
  const { digest } = IMAGE.descriptor;
  for (const other of IMAGE.blobs.keys()) {
    if (other !== digest) await proxy.put(IMAGE, { digest: other });
  }
  proxy.scene.onLookup = async (looked) => {
    if (looked !== digest) return;
    proxy.scene.onLookup = async () => {};
    await proxy.put(IMAGE, { digest });
    await proxy.images.arrived(digest);
  };

  await proxy.add("x", IMAGE);

  assertEquals(await proxy.tags(), [NAME]);
});
