import { assertEquals, assertRejects } from "@std/assert";
import {
  DiffIdMismatchError,
  type Digest,
  DigestMismatchError,
  digestOf,
  LimitError,
  OciError,
  parsePlatform,
} from "../../../spec/mod.ts";
import { storedLayer } from "../../../store/images/image.ts";
import {
  ContentStore,
  type Image,
  type Layer,
  readImage,
  validateImage,
} from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import {
  buildImage,
  buildIndex,
  type Built,
  type BuiltImage,
  putBlobs,
} from "../../_support/image.ts";
import { rotBlob } from "../../_support/rot.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

const AMD64 = parsePlatform("linux/amd64");
const TARS = [archive(300_000, 1), archive(100_000, 2)];

Deno.test.each(["none", "gzip", "zstd"] as const)(
  "Layer.uncompressed() gives the archive of a layer compressed with %s",
  async (compression) => {
    const built = buildImage({ layers: TARS.map((tar) => ({ tar, compression })) });
    await using stored = await store([built]);

    const image = await stored.read(built);
    const tars = await Promise.all(
      image.layers.map(async (layer) => await new Response(await layer.uncompressed()).bytes()),
    );

    assertEquals(tars, TARS);
    await validateImage(image);
  },
);

// The sanitizer finds a file that stays open.
Deno.test.each(["none", "gzip", "zstd"] as const)(
  "Layer closes its blob when a stream is canceled, compressed with %s",
  async (compression) => {
    const built = buildImage({ layers: TARS.map((tar) => ({ tar, compression })) });
    await using stored = await store([built]);
    const [layer] = (await stored.read(built)).layers;

    for (const open of [() => layer?.compressed(), () => layer?.uncompressed()]) {
      await (await open())?.cancel();
      const reader = (await open())?.getReader();
      await reader?.read();
      await reader?.cancel();
      const pending = (await open())?.getReader();
      const read = pending?.read();
      await pending?.cancel();
      await read;
    }
  },
);

// The first one makes the decompression fail.
Deno.test.each([{ at: 11 }, { at: 50_000 }])(
  "Layer.uncompressed() says that the blob is damaged, at byte $at",
  async ({ at }) => {
    const built = buildImage({ layers: [{ tar: TARS[0] as Uint8Array, compression: "gzip" }] });
    await using stored = await store([built]);
    const [layer] = (await stored.read(built)).layers as [Layer];
    await rotBlob(stored.contents, layer.digest, at);

    const archive = await layer.uncompressed();

    await assertRejects(() => new Response(archive).bytes(), DigestMismatchError);
    await assertRejects(() => stored.contents.verify(layer.descriptor), DigestMismatchError);
  },
);

Deno.test("Layer.compressed() returns the bytes as served from any offset", async () => {
  const built = buildImage({ layers: TARS });
  await using stored = await store([built]);
  const [layer] = (await stored.read(built)).layers;
  const [{ bytes } = built] = built.layers;

  const read = async (offset: number) =>
    await new Response(await layer?.compressed({ offset })).bytes();

  assertEquals(await read(0), bytes);
  assertEquals(await read(1000), bytes.slice(1000));
});

Deno.test.each([{}, { raw: true }])(
  "Layer.compressed() fails if the blob is damaged, with %o, and the store notices",
  async (options) => {
    const built = buildImage({ layers: TARS });
    await using stored = await store([built]);
    const [layer] = (await stored.read(built)).layers as [Layer];
    await rotBlob(stored.contents, layer.digest, 50_000);

    const bytes = await layer.compressed(options);

    await assertRejects(() => new Response(bytes).bytes(), DigestMismatchError);
    await assertRejects(() => stored.contents.verify(layer.descriptor), DigestMismatchError);
  },
);

Deno.test.each([-1, 1])("Layer.compressed() fails if the size is wrong by %d", async (error) => {
  const built = buildImage({ layers: TARS });
  await using stored = await store([built]);
  const [{ descriptor, diffId }] = (await stored.read(built)).layers as [Layer];
  const wrong = { ...descriptor, size: descriptor.size + error };

  const bytes = await storedLayer(stored.contents, wrong, diffId).compressed();

  await assertRejects(() => new Response(bytes).bytes(), DigestMismatchError);
});

Deno.test("readImage() returns index, manifest and config as served", async () => {
  const built = buildImage({ layers: TARS });
  const index = buildIndex([built]);
  await using stored = await store([index]);

  const image = await stored.read(index);

  assertEquals(image.digest, index.descriptor.digest);
  assertEquals(image.indexes.map(({ bytes }) => bytes), [index.bytes]);
  assertEquals(image.manifest.bytes, built.bytes);
  assertEquals(image.config.bytes, built.config.bytes);
  assertEquals(image.platform.architecture, "amd64");
});

Deno.test("readImage() reads an image through eight nested indexes", async () => {
  const nest = (built: Built, depth: number): Built =>
    depth === 0 ? built : nest(buildIndex([{ built, descriptor: { platform: AMD64 } }]), depth - 1);
  const [deep, deeper] = [nest(buildImage(), 8), nest(buildImage(), 9)];
  await using stored = await store([deep, deeper]);

  assertEquals((await stored.read(deep)).indexes.length, 8);
  await assertRejects(() => stored.read(deeper), LimitError);
});

Deno.test.each([
  { part: "index", absent: true },
  { part: "manifest", absent: true },
  { part: "config", absent: true },
  { part: "layer", absent: true },
  { part: "index", absent: false },
  { part: "manifest", absent: false },
  { part: "config", absent: false },
  { part: "layer", absent: false },
])("readImage() when its $part is absent ($absent) or corrupt", async ({ part, absent }) => {
  const built = buildImage({ layers: TARS });
  const index = buildIndex([built]);
  await using stored = await store([index]);
  const parts: Readonly<Record<string, Digest | undefined>> = {
    index: index.descriptor.digest,
    manifest: built.descriptor.digest,
    config: built.config.descriptor.digest,
    layer: built.layers[1]?.descriptor.digest,
  };
  const digest = parts[part] ?? index.descriptor.digest;
  const path = stored.contents.blobPath(digest);

  if (absent) await Deno.remove(path);
  else await Deno.writeFile(path, new Uint8Array((await Deno.stat(path)).size));
  const read = readImage(stored.contents, index.descriptor.digest, AMD64);

  if (absent) assertEquals(await read, undefined);
  else assertEquals((await assertRejects(() => read, DigestMismatchError)).expected, digest);
});

Deno.test.each([
  { layers: 3, diffIds: 2 },
  { layers: 2, diffIds: 3 },
])("readImage() rejects $layers layers with $diffIds DiffIDs", async ({ layers, diffIds }) => {
  const ids = Array.from({ length: diffIds }, (_, i) => digestOf(noise(10, i)));
  const built = buildImage({
    layers: Array.from({ length: layers }, (_, i) => noise(10, i)),
    configBlob: { rootfs: { type: "layers", diff_ids: ids } },
  });
  await using stored = await store([built]);

  await assertRejects(() => stored.read(built), OciError, "differ in the number of layers");
});

Deno.test.each([
  { maxLayers: 2, fits: true },
  { maxLayers: 1, fits: false },
])("readImage() accepts at most $maxLayers layers", async ({ maxLayers, fits }) => {
  const built = buildImage({ layers: TARS });
  await using stored = await store([built]);

  const read = readImage(stored.contents, built.descriptor.digest, AMD64, { maxLayers });

  if (fits) assertEquals((await read)?.layers.length, 2);
  else await assertRejects(() => read, LimitError);
});

Deno.test("no number of layers is accepted if the maximum is not a number", async () => {
  const built = buildImage({ layers: TARS });
  await using stored = await store([built]);
  const image = await stored.read(built);
  const options = { maxLayers: NaN };
  const { digest } = built.descriptor;

  await assertRejects(() => validateImage(image, options), RangeError);
  await assertRejects(() => readImage(stored.contents, digest, AMD64, options), RangeError);
});

Deno.test("an image that claims another's DiffID is rejected, and the other stays intact", async () => {
  const victim = buildImage({ layers: TARS });
  const diffId = victim.layers[0]?.diffId ?? victim.descriptor.digest;
  const attack = buildImage({ layers: [{ tar: archive(300_000, 9), diffId }] });
  await using stored = await store([attack, victim]);

  const error = await assertRejects(
    async () => await validateImage(await stored.read(attack)),
    DiffIdMismatchError,
  );

  assertEquals(error.expected, diffId);
  assertEquals(error.layer, attack.layers[0]?.descriptor.digest);
  await validateImage(await stored.read(victim));
});

Deno.test("a layer whose DiffID is an image's manifest digest does not alter that image", async () => {
  const victim = buildImage({ layers: TARS, config: { Cmd: ["/good"] } });
  const evil = buildImage({ config: { Cmd: ["/evil"] } });
  const attack = buildImage({
    layers: [{ tar: tar(file("evil", evil.bytes)), diffId: victim.descriptor.digest }],
  });
  await using stored = await store([victim, attack]);

  const image = await stored.read(victim);

  assertEquals(image.manifest.bytes, victim.bytes);
  assertEquals(image.config.value.config.Cmd, ["/good"]);
  await assertRejects(
    async () => await validateImage(await stored.read(attack)),
    DiffIdMismatchError,
  );
});

Deno.test("validateImage() rejects a layer that has changed since it was stored", async () => {
  const built = buildImage({ layers: TARS });
  await using stored = await store([built]);
  const image = await stored.read(built);
  const path = stored.contents.blobPath(image.layers[1]?.digest ?? image.digest);
  await Deno.writeFile(path, (await Deno.readFile(path)).with(5000, 0));

  const seen: Digest[] = [];
  const validated = validateImage(image, { onLayer: (digest) => seen.push(digest) });

  await assertRejects(() => validated);
  assertEquals(seen, [image.layers[0]?.digest]);
});

Deno.test("validateImage() rejects layers that differ from those of the manifest", async () => {
  const built = buildImage({ layers: TARS });
  await using stored = await store([built]);
  const image = await stored.read(built);

  const { layers, ...rest } = image;

  await assertRejects(() => validateImage({ ...rest, layers: layers.toReversed() }), SyntaxError);
  await assertRejects(() => validateImage({ ...rest, layers: layers.slice(1) }), SyntaxError);
});

Deno.test("Layer.uncompressed() fails with the reason of its signal", async () => {
  const built = buildImage({ layers: TARS });
  await using stored = await store([built]);
  const [layer] = (await stored.read(built)).layers;
  const controller = new AbortController();
  const stream = await layer?.uncompressed({ signal: controller.signal });
  const reason = new Error("enough");

  controller.abort(reason);

  assertEquals(await new Response(stream).bytes().catch((error) => error), reason);
});

function archive(size: number, seed: number): Uint8Array<ArrayBuffer> {
  return tar(file("noise", noise(size, seed)));
}

interface Stored extends AsyncDisposable {
  readonly contents: ContentStore;
  readonly read: (built: Built) => Promise<Image>;
}

async function store(images: readonly (Built | BuiltImage)[]): Promise<Stored> {
  const directory: TempDir = await makeTempDir();
  const contents = await ContentStore.open(directory.path);
  await putBlobs(contents, ...images);
  return {
    contents,
    read: async ({ descriptor }) => {
      const image = await readImage(contents, descriptor.digest, AMD64);
      if (image === undefined) throw new Deno.errors.NotFound("no image");
      return image;
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
