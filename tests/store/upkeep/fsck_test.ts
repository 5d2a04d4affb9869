import { assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { DOCKER_MANIFEST } from "../../../spec/image/media_types.ts";
import { BundleRecords } from "../../../store/bundles/bundle_records.ts";
import { ContentStore, fsck, prune, StoreError } from "../../../store/mod.ts";
import { buildImage, buildIndex, putBlobs } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "a")), tar(file("b", "b"))] });
const OTHER = buildImage({ layers: [tar(file("c", "c"))], platform: "linux/arm64" });
const [LAYER] = IMAGE.layers;
const NAME = "example.com/a:1";

async function makeStore() {
  const directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));
  await putBlobs(store, IMAGE);
  await store.tag(NAME, IMAGE.descriptor);
  return {
    store,
    path: store.path,
    layer: store.blobPath(LAYER?.descriptor.digest ?? IMAGE.descriptor.digest),
    manifest: store.blobPath(IMAGE.descriptor.digest),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

type Scene = Awaited<ReturnType<typeof makeStore>>;

/** The registry that the image came from. */
const SOURCE = {
  fetch: ({ digest }: { readonly digest: string }, { offset = 0 } = {}) => {
    const blob = IMAGE.blobs.get(digest as keyof object);
    if (blob === undefined) return Promise.reject(new Error("not found"));
    return Promise.resolve(new Blob([blob.bytes.subarray(offset)]).stream());
  },
};

async function flipBit(path: string): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[3] = (bytes[3] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
}

const DAMAGES: readonly {
  readonly name: string;
  readonly kind: string;
  readonly damage: (scene: Scene) => Promise<unknown>;
}[] = [
  { name: "a flipped bit in a layer", kind: "corrupt", damage: ({ layer }) => flipBit(layer) },
  { name: "a truncated layer", kind: "corrupt", damage: ({ layer }) => Deno.truncate(layer, 10) },
  { name: "an empty layer", kind: "corrupt", damage: ({ layer }) => Deno.truncate(layer, 0) },
  { name: "a missing layer", kind: "missing", damage: ({ layer }) => Deno.remove(layer) },
  { name: "a damaged manifest", kind: "corrupt", damage: ({ manifest }) => flipBit(manifest) },
  { name: "a missing manifest", kind: "missing", damage: ({ manifest }) => Deno.remove(manifest) },
  {
    name: "a file among the blobs",
    kind: "stray",
    damage: ({ path }) => Deno.writeTextFile(`${path}/blobs/sha256/notes.txt`, "x"),
  },
  {
    name: "a wrong size in the index",
    kind: "entry",
    damage: async ({ path }) => {
      const index = JSON.parse(await Deno.readTextFile(`${path}/index.json`));
      index.manifests[0].size++;
      await Deno.writeTextFile(`${path}/index.json`, JSON.stringify(index));
    },
  },
  {
    name: "an extracted layer without a record",
    kind: "layer",
    damage: ({ path }) => Deno.mkdir(`${path}/chains/abcdefgh`, { recursive: true }),
  },
  {
    name: "an extracted layer with a damaged record",
    kind: "layer",
    damage: async ({ path }) => {
      await Deno.mkdir(`${path}/chains/abcdefgh`, { recursive: true });
      await Deno.writeTextFile(`${path}/chains/abcdefgh.json`, "");
    },
  },
  {
    name: "a record without an extracted layer",
    kind: "layer",
    damage: async ({ path }) => {
      await Deno.mkdir(`${path}/chains`, { recursive: true });
      await Deno.writeTextFile(`${path}/chains/abcdefgh.json`, "{}");
    },
  },
];

Deno.test.each(DAMAGES)("fsck() finds and repairs $name", async ({ kind, damage }) => {
  await using scene = await makeStore();
  await damage(scene);

  const found = await fsck(scene.store);
  const repaired = await fsck(scene.store, { repair: true, sourceOf: () => SOURCE });
  const again = await fsck(scene.store);

  assertEquals(found.findings.map((finding) => [finding.kind, finding.repaired]), [[kind, false]]);
  assertEquals(repaired.findings.map((finding) => finding.repaired), [true]);
  assertEquals(again.findings, []);
  assertEquals(again.blobs, IMAGE.blobs.size);
});

Deno.test("fsck() reports and keeps entries that are not descriptors", async () => {
  await using scene = await makeStore();
  const path = `${scene.path}/index.json`;
  const index = JSON.parse(await Deno.readTextFile(path));
  const [entry] = index.manifests;
  index.manifests = [{ ...entry, digest: "sha256:0" }, entry, { size: 1 }];
  await Deno.writeTextFile(path, JSON.stringify(index));

  const { findings } = await fsck(scene.store);
  const repaired = await fsck(scene.store, { repair: true });

  assertEquals(findings.map(({ kind, subject, names }) => ({ kind, subject, names })), [
    { kind: "descriptor", subject: path, names: [NAME] },
    { kind: "descriptor", subject: path, names: ["@2"] },
  ]);
  assertEquals(repaired.findings.map(({ repaired }) => repaired), [false, false]);
  assertEquals(JSON.parse(await Deno.readTextFile(path)).manifests, index.manifests);
});

Deno.test("fsck() keeps a damaged extracted layer that a bundle may have mounted", async () => {
  await using scene = await makeStore();
  const layer = `${scene.path}/chains/abcdefgh`;
  await Deno.mkdir(layer, { recursive: true });
  await Deno.writeTextFile(`${layer}.json`, "{");
  using _lock = await BundleRecords.open(scene.path).create({
    id: crypto.randomUUID(),
    phase: "complete",
    path: `${scene.path}-bundle`,
    parentInode: null,
    inode: null,
    isDirectoryNew: true,
    isTemporary: false,
    kind: "overlay",
    image: IMAGE.descriptor.digest,
    layers: ["abcdefgh"],
    mounts: [],
  });

  const { findings } = await fsck(scene.store, { repair: true });

  assertEquals(
    findings.map(({ subject, repaired, reason }) => [subject, repaired, reason]),
    [[layer, false, "a bundle uses it"]],
  );
  assertEquals([await exists(layer), await exists(`${layer}.json`)], [true, true]);
});

for (const state of ["cannot be read", "is missing"]) {
  Deno.test(`fsck() rebuilds an index that ${state}`, async () => {
    await using scene = await makeStore();
    const path = `${scene.path}/index.json`;
    if (state === "is missing") await Deno.remove(path);
    else await Deno.writeTextFile(path, "{");
    const store = await ContentStore.open(scene.path);

    const found = await fsck(store);
    assertEquals(found.findings.map(({ kind, repaired }) => [kind, repaired]), [["index", false]]);
    const { findings } = await fsck(store, { repair: true });

    assertEquals(findings.map(({ kind, repaired }) => [kind, repaired]), [["index", true]]);
    const entries = await store.descriptors();
    assertEquals(entries.map(({ digest }) => digest), [IMAGE.descriptor.digest]);
    assertEquals((await fsck(store)).findings, []);
  });
}

Deno.test.each([
  { state: "is missing", text: undefined },
  { state: "is empty", text: "" },
  { state: "has no version", text: "{}" },
])("fsck() writes a version file that $state", async ({ text }) => {
  await using scene = await makeStore();
  const path = `${scene.path}/oci-layout`;
  if (text === undefined) await Deno.remove(path);
  else await Deno.writeTextFile(path, text);
  if (text !== undefined) {
    await assertRejects(() => ContentStore.open(scene.path), StoreError, "oci-layout");
  }
  const store = await ContentStore.open(scene.path, { damaged: true });

  const found = await fsck(store);
  const { findings } = await fsck(store, { repair: true });

  assertEquals(found.findings.map(({ kind, repaired }) => [kind, repaired]), [["version", false]]);
  assertEquals(findings.map(({ subject, repaired }) => [subject, repaired]), [[path, true]]);
  assertEquals((await fsck(await ContentStore.open(scene.path))).findings, []);
});

Deno.test.each([
  { what: "another version", names: ["blobs"], text: '{"imageLayoutVersion":"2.0.0"}' },
  { what: "other files", names: ["blobs", "src"], text: "{}" },
  { what: "no content", names: [], text: "{}" },
])("ContentStore.open() refuses a damaged store with $what", async ({ names, text }) => {
  await using temp = await makeTempDir();
  for (const name of names) await Deno.mkdir(temp.join(name));
  await Deno.writeTextFile(temp.join("oci-layout"), text);

  const opening = () => ContentStore.open(temp.path, { damaged: true });

  const { code } = await assertRejects(opening, StoreError);
  assertEquals(code, "not-a-store");
});

Deno.test("fsck() finds nothing in a directory that is not a store yet", async () => {
  await using temp = await makeTempDir();
  const store = await ContentStore.open(temp.join("new"));

  assertEquals((await fsck(store)).findings, []);
  assertEquals((await fsck(store, { repair: true })).findings, []);
});

Deno.test("fsck() finds missing content of a document with a wrong type in the index", async () => {
  await using scene = await makeStore();
  const path = `${scene.path}/index.json`;
  const index = JSON.parse(await Deno.readTextFile(path));
  index.manifests[0].mediaType = "application/octet-stream";
  await Deno.writeTextFile(path, JSON.stringify(index));
  await Deno.remove(scene.layer);

  const { findings } = await fsck(scene.store);

  assertEquals(findings.map(({ kind }) => kind), ["entry", "missing"]);
});

Deno.test("fsck() finds no damage in a sound store", async () => {
  await using scene = await makeStore();

  const { findings, blobs, bytes } = await fsck(scene.store);

  assertEquals([findings, blobs], [[], IMAGE.blobs.size]);
  const sizes = [...IMAGE.blobs.values()].map(({ descriptor }) => descriptor.size);
  assertEquals(bytes, sizes.reduce((sum, size) => sum + size, 0));
});

Deno.test("fsck() does not report a platform that was never pulled", async () => {
  await using scene = await makeStore();
  const index = buildIndex([IMAGE, OTHER]);
  await scene.store.putBytes(index.descriptor, index.bytes);
  await scene.store.tag(NAME, index.descriptor);

  assertEquals((await fsck(scene.store)).findings, []);
});

Deno.test("fsck() does not report a missing entry of an unknown type", async () => {
  await using scene = await makeStore();
  const descriptor = { mediaType: "application/vnd.example.disk" };
  const index = buildIndex([IMAGE, { built: OTHER, descriptor }]);
  await scene.store.putBytes(index.descriptor, index.bytes);
  await scene.store.tag(NAME, index.descriptor);

  assertEquals((await fsck(scene.store)).findings, []);
  assertEquals((await fsck(scene.store, { repair: true })).findings, []);
});

Deno.test("fsck() does not report a layer that is left out because it is non-distributable", async () => {
  await using directory = await makeTempDir();
  const mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
  const descriptor = { mediaType, urls: ["https://example.com/layer"] };
  const image = buildImage({ layers: [{ tar: tar(file("a")), descriptor }, tar(file("b"))] });
  const [base] = image.layers;
  const store = await ContentStore.open(directory.path);
  await putBlobs(store, image);
  await store.tag(NAME, image.descriptor);
  await Deno.remove(store.blobPath(base?.descriptor.digest ?? image.descriptor.digest));

  assertEquals((await fsck(store)).findings, []);
  assertEquals((await fsck(store, { repair: true })).findings, []);
});

const WITHOUT_PLATFORMS = [
  { name: "an index", index: buildIndex([OTHER]) },
  { name: "an index of indexes", index: buildIndex([buildIndex([OTHER])]) },
];

Deno.test.each(WITHOUT_PLATFORMS)(
  "fsck() reports that the store has no platform of $name",
  async ({ index }) => {
    await using scene = await makeStore();
    await scene.store.putBytes(index.descriptor, index.bytes);
    await scene.store.tag("example.com/b:1", index.descriptor);

    const { findings } = await fsck(scene.store, { repair: true, sourceOf: () => SOURCE });

    assertEquals(findings, [{
      kind: "incomplete",
      subject: index.descriptor.digest,
      names: ["example.com/b:1"],
      repaired: false,
      reason: "pull it again",
    }]);
  },
);

const SMALLER = { ...IMAGE.config.descriptor, size: IMAGE.config.descriptor.size - 1 };

const WRONG_DESCRIPTORS = [
  {
    name: "a config of another size",
    built: buildImage({ manifest: { config: SMALLER, layers: [] } }),
    subject: SMALLER.digest,
  },
  {
    name: "a manifest of another media type",
    built: buildIndex([{ built: IMAGE, descriptor: { mediaType: DOCKER_MANIFEST } }]),
    subject: IMAGE.descriptor.digest,
  },
];

Deno.test.each(WRONG_DESCRIPTORS)(
  "fsck() finds a document that refers to $name, which it cannot repair",
  async ({ built, subject }) => {
    await using scene = await makeStore();
    await putBlobs(scene.store, built);
    await scene.store.tag("example.com/wrong:1", built.descriptor);
    const names = ["example.com/wrong:1"];

    const found = await fsck(scene.store);
    const repaired = await fsck(scene.store, { repair: true, sourceOf: () => SOURCE });

    const finding = { kind: "entry" as const, subject, names, repaired: false, reason: undefined };
    assertEquals(found.findings, [finding]);
    const reason = "its manifest or index is wrong";
    assertEquals(repaired.findings, [{ ...finding, reason }]);
  },
);

Deno.test("fsck() explains why it cannot repair, and keeps the damaged content", async () => {
  await using scene = await makeStore();
  await flipBit(scene.layer);
  const broken = { fetch: () => Promise.reject(new Error("the registry is gone")) };

  const { findings } = await fsck(scene.store, { repair: true, sourceOf: () => broken });

  assertEquals(findings.map(({ repaired, reason, names }) => ({ repaired, reason, names })), [
    { repaired: false, reason: "the registry is gone", names: [NAME] },
  ]);
  assertEquals(await exists(scene.layer), false);
  assertEquals((await Array.fromAsync(Deno.readDir(`${scene.path}/quarantine`))).length, 1);
});

Deno.test("fsck() and prune() look up a blob with many names once", async () => {
  await using scene = await makeStore();
  const { store, path, manifest } = scene;
  const index = JSON.parse(await Deno.readTextFile(`${path}/index.json`));
  const [entry] = index.manifests;
  index.manifests = Array.from({ length: 100 }, (_, i) => {
    const annotations = { "org.opencontainers.image.ref.name": `example.com/a:${i}` };
    return { ...entry, annotations };
  });
  await Deno.writeTextFile(`${path}/index.json`, JSON.stringify(index));
  const { lstatSync } = Deno;
  const looked: string[] = [];
  const counting = (at: string) => {
    looked.push(at);
    return lstatSync(at);
  };
  Object.assign(Deno, { lstatSync: counting });
  try {
    assertEquals((await fsck(store)).findings, []);
    assertEquals((await prune(store, { keepLast: 1 })).removed.length, 99);
  } finally {
    Object.assign(Deno, { lstatSync });
  }

  const count = looked.filter((at) => at === manifest).length;
  assertEquals(count < 20, true, `${count} lookups`);
});
