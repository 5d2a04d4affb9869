import { assert, assertEquals, assertRejects } from "@std/assert";
import { exists, walk } from "@std/fs";
import { DigestMismatchError, LimitError, OCI_INDEX, OCI_MANIFEST } from "../../../spec/mod.ts";
import {
  ArchiveError,
  type ArchiveFault,
  ContentStore,
  ImageArchive,
  loadArchive,
} from "../../../store/mod.ts";
import { buildIndex, type Built, jsonBlob, withBlobs } from "../../_support/image.ts";
import { concat, fifo, file, gzip, hardlink, sparse, symlink, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import {
  blobEntries,
  blobPath,
  dockerArchive,
  IMAGE,
  indexEntry,
  ociArchive,
  VERSION,
} from "../archives/_archives.ts";
import { DOCKER, load } from "./_load.ts";

const BIG = `"${"x".repeat(17 * 1024 * 1024)}"`;

const [LAYER] = IMAGE.layers;

const LAYER_PATH = LAYER === undefined ? "" : blobPath(LAYER.descriptor);

const OTHERS = [...IMAGE.blobs.values()]
  .filter(({ descriptor }) => descriptor !== LAYER?.descriptor)
  .map(({ descriptor, bytes }) => file(blobPath(descriptor), bytes));

const WRONG = new Uint8Array(LAYER?.bytes.length ?? 0);

const GOOD = ociArchive(IMAGE, "h.io/a:1");

const LEGACY = dockerArchive({ image: DOCKER, tags: ["a:1"] });

/** An index with more entries than allowed. */
const FULL = jsonBlob(OCI_INDEX, JSON.parse(many(4097)));

/** An OCI archive with other content for one layer. */
function withLayer(...entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return tar(...entries, ...OTHERS, indexEntry([IMAGE, "h.io/a:1"]));
}

/** A docker archive with additional entries at the end. */
function legacy(manifest: unknown, ...entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return tar(file("manifest.json", JSON.stringify(manifest)), ...entries);
}

const CONFIG = file("c.json", DOCKER.config.bytes);

const LAYERS = DOCKER.layers.map(({ tar }, i) => file(`${i}/layer.tar`, tar));

const NAMED = [{ Config: "c.json", RepoTags: ["a:1"], Layers: ["0/layer.tar", "1/layer.tar"] }];

Deno.test.each<{ what: string; archive: Uint8Array<ArrayBuffer>; code: ArchiveFault }>([
  { what: "nothing", archive: new Uint8Array(), code: "format" },
  { what: "text", archive: new TextEncoder().encode("hello\n".repeat(200)), code: "format" },
  { what: "an xz archive", archive: Uint8Array.fromHex("fd377a585a000004"), code: "compression" },
  { what: "no images", archive: tar(file("a", "a")), code: "format" },
  { what: "no entries", archive: tar(), code: "format" },
  { what: "an archive that is cut short", archive: GOOD.slice(0, 1600), code: "damaged" },
  { what: "half of a gzip", archive: gzip(GOOD).slice(0, 300), code: "damaged" },
  { what: "a layer that is cut off", archive: GOOD.slice(0, -3000), code: "damaged" },
  {
    what: "a layer with other bytes",
    archive: withLayer(file(LAYER_PATH, WRONG)),
    code: "damaged",
  },
  { what: "a layer that is too short", archive: withLayer(file(LAYER_PATH, "x")), code: "damaged" },
  { what: "a missing layer", archive: withLayer(), code: "incomplete" },
  {
    what: "a layer that is a symlink",
    archive: withLayer(symlink(LAYER_PATH, "/etc/hostname")),
    code: "hostile",
  },
  {
    what: "a layer that is a hard link",
    archive: withLayer(file("x", LAYER?.bytes), hardlink(LAYER_PATH, "x")),
    code: "hostile",
  },
  {
    what: "blobs as a symlink",
    archive: tar(symlink("blobs", "/tmp"), ...blobEntries(IMAGE), indexEntry([IMAGE])),
    code: "hostile",
  },
  {
    what: "blobs as a symlink behind the blobs",
    archive: tar(...blobEntries(IMAGE), indexEntry([IMAGE]), symlink("blobs", "/tmp")),
    code: "hostile",
  },
  {
    what: "a name with ..",
    archive: concat(file("../evil", "x"), GOOD),
    code: "hostile",
  },
  { what: "a name with .. inside", archive: concat(file("a/../../b", "x"), GOOD), code: "hostile" },
  { what: "an absolute name", archive: concat(file("/evil", "x"), GOOD), code: "hostile" },
  { what: "a name twice", archive: concat(indexEntry([IMAGE]), GOOD), code: "hostile" },
  {
    what: "a name twice in other words",
    archive: concat(file("./index.json"), GOOD),
    code: "hostile",
  },
  { what: "a pipe", archive: concat(fifo("pipe"), GOOD), code: "hostile" },
  { what: "a file in a file", archive: concat(file("a"), file("a/b"), GOOD), code: "hostile" },
  {
    what: "a sparse file",
    archive: concat(sparse("s", 99, [{ offset: 9, data: "x" }], "gnu"), GOOD),
    code: "hostile",
  },
  {
    what: "an index.json of 17 MiB",
    archive: tar(...blobEntries(IMAGE), VERSION, file("index.json", BIG)),
    code: "hostile",
  },
  {
    what: "an index.json that is not JSON",
    archive: tar(...blobEntries(IMAGE), VERSION, file("index.json", "{")),
    code: "damaged",
  },
  {
    what: "an index.json without a version file",
    archive: tar(...blobEntries(IMAGE), indexEntry([IMAGE]).slice(VERSION.length)),
    code: "format",
  },
  {
    what: "a layout of a later version",
    archive: tar(
      ...blobEntries(IMAGE),
      file("oci-layout", '{"imageLayoutVersion":"2.0.0"}'),
      indexEntry([IMAGE]).slice(VERSION.length),
    ),
    code: "format",
  },
  {
    what: "a version file that is not JSON",
    archive: tar(
      ...blobEntries(IMAGE),
      file("oci-layout", "1.0.0"),
      indexEntry([IMAGE]).slice(VERSION.length),
    ),
    code: "format",
  },
  {
    what: "a manifest that is none",
    archive: (() => {
      const odd = jsonBlob(OCI_MANIFEST, { schemaVersion: 2 });
      return tar(...blobEntries(withBlobs(odd, [])), indexEntry([withBlobs(odd, [])]));
    })(),
    code: "damaged",
  },
  { what: "a manifest.json that is not a list", archive: legacy({}, CONFIG), code: "damaged" },
  { what: "a manifest.json without a config", archive: legacy([{}], CONFIG), code: "damaged" },
  {
    what: "a manifest.json with two spellings of a name",
    archive: legacy([{ ...NAMED[0], config: "d.json" }], CONFIG, ...LAYERS),
    code: "damaged",
  },
  { what: "a missing config", archive: legacy(NAMED, ...LAYERS), code: "incomplete" },
  { what: "a missing layer of docker", archive: legacy(NAMED, CONFIG), code: "incomplete" },
  {
    what: "a config with another digest than its path",
    archive: legacy(
      [{ Config: `blobs/sha256/${"0".repeat(64)}`, Layers: [] }],
      file(`blobs/sha256/${"0".repeat(64)}`, DOCKER.config.bytes),
    ),
    code: "damaged",
  },
  {
    what: "fewer layers than the config",
    archive: legacy([{ Config: "c.json", Layers: ["0/layer.tar"] }], CONFIG, ...LAYERS),
    code: "damaged",
  },
  {
    what: "a layer of docker with other bytes",
    archive: legacy(NAMED, CONFIG, file("0/layer.tar", tar(file("x"))), ...LAYERS.slice(1)),
    code: "damaged",
  },
  {
    what: "a layer of docker that leads out",
    archive: legacy(NAMED, CONFIG, symlink("0/layer.tar", "../../x"), ...LAYERS.slice(1)),
    code: "hostile",
  },
  {
    what: "a layer of docker at an absolute path",
    archive: legacy(NAMED, CONFIG, symlink("0/layer.tar", "/etc/hosts"), ...LAYERS.slice(1)),
    code: "hostile",
  },
  {
    what: "layers of docker that lead to each other",
    archive: legacy(
      NAMED,
      CONFIG,
      symlink("0/layer.tar", "../1/layer.tar"),
      symlink("1/layer.tar", "../0/layer.tar"),
    ),
    code: "hostile",
  },
  {
    what: "a config of docker that is a link",
    archive: legacy(NAMED, symlink("c.json", "d.json"), ...LAYERS),
    code: "hostile",
  },
  {
    what: "a path in manifest.json that leads out",
    archive: legacy([{ Config: "../c.json", Layers: [] }], CONFIG),
    code: "hostile",
  },
  {
    what: "an invalid name",
    archive: legacy([{ ...NAMED[0], RepoTags: ["UPPER CASE"] }], CONFIG, ...LAYERS),
    code: "damaged",
  },
  {
    what: "a docker archive that is cut short",
    archive: LEGACY.slice(0, LEGACY.length - 1800),
    code: "damaged",
  },
])("loadArchive() rejects $what, and stores nothing", async ({ archive, code }) => {
  await using dir = await makeTempDir();
  const path = dir.join("a.tar");
  await Deno.writeFile(path, archive);
  const store = await ContentStore.open(dir.join("store"));

  for (const input of [undefined, () => new Blob([archive]).stream()]) {
    const error = await assertRejects(
      () => loadArchive(store, path, { input: input?.() }),
      ArchiveError,
    );
    assertEquals([error.path, error.fault], [path, code], error.message);
    assertEquals(error.message.split("\n").length, 1);
  }

  assertEquals(await store.references(), []);
  assertEquals(await filesIn(dir.join("store")), []);
  assertEquals(
    await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name).then((names) => names.sort()),
    ["a.tar", ...await exists(dir.join("store")) ? ["store"] : []],
  );
});

/** Returns all files below a directory, which may be missing. */
async function filesIn(path: string): Promise<readonly string[]> {
  if (!await exists(path)) return [];
  return await Array.fromAsync(walk(path, { includeDirs: false }), ({ path }) => path);
}

Deno.test("ImageArchive.fetch() fails if a blob has other bytes, unless the read is raw", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("a.tar");
  await Deno.writeFile(path, withLayer(file(LAYER_PATH, WRONG)));
  using archive = await ImageArchive.open(path, { spoolDirectory: dir.path });
  assert(LAYER !== undefined);
  const { descriptor, diffId } = LAYER;

  const read = async (raw?: boolean) => {
    return await new Response(await archive.fetch(descriptor, { raw })).bytes();
  };
  const compressed = await archive.layer(descriptor, diffId).compressed();

  await assertRejects(() => read(), DigestMismatchError);
  await assertRejects(() => new Response(compressed).bytes(), DigestMismatchError);
  assertEquals((await read(true)).length, descriptor.size);
});

Deno.test("loadArchive() rejects documents that would take too much memory", async () => {
  await using dir = await makeTempDir({ large: true });
  const { config } = IMAGE;
  const manifests = Array.from({ length: 17 }, (_, i) => {
    const annotations = { x: String(i).padEnd(4_000_000) };
    const value = { schemaVersion: 2, config: config.descriptor, layers: [], annotations };
    return withBlobs(jsonBlob(OCI_MANIFEST, value), [config]);
  });
  const archive = tar(
    file(blobPath(config.descriptor), config.bytes),
    ...manifests.map(({ descriptor, bytes }) => file(blobPath(descriptor), bytes)),
    indexEntry(...manifests.map((built) => [built] as const)),
  );

  const error = await assertRejects(() => load(dir, archive), ArchiveError);

  assertEquals(error.fault, "hostile");
});

Deno.test("loadArchive() loads thousands of names of one image, and no more than the limit", async () => {
  await using temp = await makeTempDir();
  const store = await ContentStore.open(temp.join("store"));
  const tags = Array.from({ length: 65_537 }, (_, i) => `example.com/app:${i}`);
  await Deno.writeFile(
    temp.join("most.tar"),
    dockerArchive({ image: IMAGE, tags: tags.slice(0, 4097) }),
  );
  await Deno.writeFile(temp.join("more.tar"), dockerArchive({ image: IMAGE, tags }));

  assertEquals((await loadArchive(store, temp.join("most.tar"))).length, 4097);
  assertEquals((await store.references()).length, 4097);
  await assertRejects(
    () => loadArchive(store, temp.join("more.tar")),
    ArchiveError,
    "has more than 65536 names",
  );
});

Deno.test.each([
  {
    what: "an index.json with too many entries",
    archive: tar(VERSION, file("index.json", many(65_537))),
    subject: "index.json",
  },
  {
    what: "an index.json with too many levels",
    archive: tar(VERSION, file("index.json", "[".repeat(1001) + "]".repeat(1001))),
    subject: "index.json",
  },
  {
    what: "an index with too many entries",
    archive: tar(
      file(blobPath(FULL.descriptor), FULL.bytes),
      indexEntry([withBlobs(FULL, [])]),
    ),
    subject: FULL.descriptor.digest,
  },
])("loadArchive() names the document that exceeds a limit: $what", async ({ archive, subject }) => {
  await using dir = await makeTempDir();

  const error = await assertRejects(() => load(dir, archive), LimitError);

  assert(error.subject?.startsWith(`${subject} in "`), error.subject);
});

/** Returns an index with a number of entries. */
function many(length: number) {
  const manifests = Array.from({ length }, () => IMAGE.descriptor);
  return JSON.stringify({ schemaVersion: 2, manifests });
}

Deno.test("loadArchive() rejects an archive that lists no images", async () => {
  await using temp = await makeTempDir();
  const store = await ContentStore.open(temp.join("store"));
  const empty = [
    file("manifest.json", "[]"),
    concat(VERSION, file("index.json", '{"schemaVersion":2,"manifests":[]}')),
  ];
  for (const [i, entry] of empty.entries()) {
    await Deno.writeFile(temp.join(`${i}.tar`), tar(entry));
    await assertRejects(
      () => loadArchive(store, temp.join(`${i}.tar`)),
      ArchiveError,
      "it holds no images",
    );
  }
});

Deno.test("loadArchive() names the limit that a bomb exceeds", async () => {
  await using temp = await makeTempDir();
  const store = await ContentStore.open(temp.join("store"));
  await Deno.writeFile(temp.join("bomb.tar.gz"), gzip(new Uint8Array(100 << 20)));

  await assertRejects(
    () => loadArchive(store, temp.join("bomb.tar.gz")),
    ArchiveError,
    "cannot accept more than 1000",
  );
});

Deno.test("loadArchive() limits the depth of indexes that are listed from the inside out", async () => {
  await using dir = await makeTempDir();
  const nested: Built[] = [IMAGE];
  for (let i = 0; i < 9; i++) nested.push(buildIndex(nested.slice(-1)));
  const entries = nested.slice(-1).flatMap(blobEntries);
  const archive = tar(...entries, indexEntry(...nested.map((built) => [built] as const)));

  const error = await assertRejects(() => load(dir, archive), ArchiveError, "nest deeper than 8");

  assertEquals(error.fault, "hostile");
  const store = await ContentStore.open(dir.join("store"));
  assertEquals(await store.has(IMAGE.descriptor), false);
});

Deno.test("loadArchive() reads names with thousands of parents", async () => {
  await using dir = await makeTempDir();
  const path = (i: number) => `${i}/${"a/".repeat(2000)}f`;
  const others = Array.from({ length: 1000 }, (_, i) => file(path(i), ""));
  const archive = ociArchive(IMAGE, "h.io/a:1");

  const { loaded } = await load(dir, concat(...others, archive));

  assertEquals(loaded.length, 1);
  const under = file(`${path(1)}/g`, "");
  const error = await assertRejects(() => load(dir, concat(...others, under, archive)));
  assertEquals(error instanceof ArchiveError && error.fault, "hostile");
});
