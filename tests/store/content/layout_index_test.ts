import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Descriptor } from "../../../spec/mod.ts";
import { ContentStore, StoreError } from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

const [ONE, TWO] = [descriptor(1), descriptor(2)];
const FOREIGN = {
  mediaType: "application/x",
  digest: ONE.digest,
  size: 10,
  platform: { os: "plan9" },
  urls: [],
  annotations: { "org.opencontainers.image.ref.name": "latest", "com.example": "kept" },
};
const LINUX = { os: "linux", architecture: "amd64" };
const UNNAMED = { mediaType: "application/y", digest: TWO.digest, size: 11, vendor: { a: 1 } };
const INDEX = {
  schemaVersion: 2,
  manifests: [FOREIGN, UNNAMED, { odd: true }],
  annotations: { "com.example": "kept" },
  vendor: [1, 2],
};

Deno.test("tag() records, replaces and untag() removes a reference", async () => {
  await using directory = await makeTempDir();
  const store = await openFilled(directory.path);

  await store.tag("example.com/a:1", ONE);
  await store.tag("example.com/b:1", ONE);
  await store.tag("example.com/a:1", TWO);

  assertEquals((await store.resolve("example.com/a:1"))?.digest, TWO.digest);
  assertEquals((await store.references()).map(({ name }) => name), [
    "example.com/a:1",
    "example.com/b:1",
  ]);
  assertEquals(await store.untag(["example.com/a:1", "example.com/c:1"]), ["example.com/a:1"]);
  assertEquals(await store.resolve("example.com/a:1"), undefined);
});

Deno.test("tag() and untag() keep members that other tools have written", async () => {
  await using directory = await layoutWith(INDEX);
  const store = await openFilled(directory.path);

  await store.tag("example.com/a:1", TWO);
  await store.untag(["example.com/a:1"]);

  assertEquals(JSON.parse(await Deno.readTextFile(directory.join("index.json"))), INDEX);
});

Deno.test("tag() keeps numbers that other tools have written", async () => {
  await using directory = await layoutWith({ ...INDEX, vendor: [1.5, 1e100, { a: -0.25 }] });
  const store = await openFilled(directory.path);

  await store.tag("example.com/a:1", ONE);

  const { vendor } = JSON.parse(await Deno.readTextFile(directory.join("index.json")));
  assertEquals(vendor, [1.5, 1e100, { a: -0.25 }]);
});

Deno.test("tag() does not write an existing entry", async () => {
  await using directory = await layoutWith(INDEX);
  const store = await openFilled(directory.path);
  await store.tag("example.com/a:1", ONE);
  const before = await Deno.stat(directory.join("index.json"));

  await store.tag("example.com/a:1", ONE);

  assertEquals((await Deno.stat(directory.join("index.json"))).ino, before.ino);
});

Deno.test("tag() keeps one entry of a name that occurs twice", async () => {
  await using directory = await layoutWith({ ...INDEX, manifests: [FOREIGN, FOREIGN] });
  const store = await openFilled(directory.path);

  await store.tag("latest", ONE);

  const { manifests } = JSON.parse(await Deno.readTextFile(directory.join("index.json")));
  assertEquals(manifests, [FOREIGN]);
});

Deno.test("references() reads the names of other tools, and ignores invalid entries", async () => {
  const containerd = {
    ...FOREIGN,
    annotations: { ...FOREIGN.annotations, "io.containerd.image.name": "docker.io/library/x:1" },
  };
  const odd = [{ ...FOREIGN, mediaType: "in\nvalid" }, { ...FOREIGN, Digest: TWO.digest }];
  const manifests = [...odd, FOREIGN, containerd, UNNAMED];
  await using directory = await layoutWith({ ...INDEX, manifests });
  const store = await ContentStore.open(directory.path);

  assertEquals((await store.references()).map(({ name }) => name), [
    "latest",
    "docker.io/library/x:1",
  ]);
});

Deno.test.each([
  { what: "text", platform: "linux/amd64" },
  { what: "null", platform: null },
  { what: "without an architecture", platform: { os: "linux" } },
  { what: "with a number", platform: { os: "linux", architecture: 64 } },
  { what: "with a text of features", platform: { ...LINUX, "os.features": "a" } },
  { what: "with features that are numbers", platform: { ...LINUX, "os.features": [1] } },
  { what: "with two spellings of a member", platform: { ...LINUX, OS: "windows" } },
])("descriptors() omits a platform that is $what", async ({ platform }) => {
  const manifests = [{ ...FOREIGN, platform }, { ...UNNAMED, platform: LINUX }];
  await using directory = await layoutWith({ ...INDEX, manifests });
  const store = await ContentStore.open(directory.path);

  assertEquals((await store.descriptors()).map(({ platform }) => platform), [undefined, LINUX]);
});

Deno.test.each([
  { urls: [1] },
  { urls: "https://localhost/blob" },
  { annotations: { "com.example": 1 } },
  { artifactType: 1 },
  { data: 1 },
])("descriptors() omits optional members if one is invalid: %j", async (member) => {
  await using directory = await layoutWith({ ...INDEX, manifests: [{ ...UNNAMED, ...member }] });
  const store = await ContentStore.open(directory.path);

  const { mediaType, digest, size } = UNNAMED;
  assertEquals(await store.descriptors(), [{ mediaType, digest, size }]);
});

Deno.test("descriptors() keeps valid members beside invalid ones", async () => {
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const manifests = [
    { ...UNNAMED, platform: { OS: "linux" }, annotations, artifactType: "a/b" },
    { ...UNNAMED, platform: LINUX, annotations: { ...annotations, "com.example": 1 } },
  ];
  await using directory = await layoutWith({ ...INDEX, manifests });
  const store = await ContentStore.open(directory.path);

  const { mediaType, digest, size } = UNNAMED;
  assertEquals(await store.descriptors(), [
    { mediaType, digest, size, annotations, artifactType: "a/b" },
    { mediaType, digest, size, annotations, platform: LINUX },
  ]);
});

Deno.test("descriptors() reads all members of a descriptor", async () => {
  const members = { artifactType: "a/b", urls: ["https://localhost/blob"], platform: LINUX };
  await using directory = await layoutWith({ ...INDEX, manifests: [{ ...UNNAMED, ...members }] });
  const store = await ContentStore.open(directory.path);

  const { mediaType, digest, size } = UNNAMED;
  assertEquals(await store.descriptors(), [{ mediaType, digest, size, ...members }]);
});

Deno.test("descriptors() ignores an entry whose size is no integer in Go", async () => {
  await using directory = await layoutWith(INDEX);
  const text = JSON.stringify({ ...INDEX, manifests: [{ ...UNNAMED, size: 1234567 }, FOREIGN] });
  await Deno.writeTextFile(directory.join("index.json"), text.replace("1234567", "1.0"));
  const store = await ContentStore.open(directory.path);

  assertEquals((await store.descriptors()).length, 1);
});

Deno.test.each([
  { what: "no JSON", text: "{" },
  { what: "no object", text: "[]" },
  { what: "no list", text: '{"schemaVersion":2,"manifests":{}}' },
  { what: "no entries", text: '{"schemaVersion":2,"manifests":[1]}' },
  { what: "without a version", text: '{"manifests":[]}' },
  { what: "of version 1", text: '{"schemaVersion":1,"manifests":[]}' },
  { what: "of another type", text: '{"schemaVersion":2,"mediaType":"a/b","manifests":[]}' },
  { what: "a manifest, too", text: '{"schemaVersion":2,"manifests":[],"layers":[]}' },
  { what: "preceded by a byte order mark", text: '\uFEFF{"schemaVersion":2,"manifests":[]}' },
  { what: "of version 2.0", text: '{"schemaVersion":2.0,"manifests":[]}' },
  { what: "merged in Go", text: '{"schemaVersion":2,"manifests":[],"manifests":null}' },
  { what: "another one in Go", text: '{"schemaVersion":2,"manifests":[],"Manifests":[]}' },
])("references() rejects an index.json that is $what", async ({ text }) => {
  await using directory = await layoutWith(INDEX);
  await Deno.writeTextFile(directory.join("index.json"), text);
  const store = await openFilled(directory.path);

  const error = await assertRejects(() => store.references(), StoreError);

  assertEquals(error.path, directory.join("index.json"));
  await assertRejects(() => store.tag("a", ONE), StoreError);
  assertEquals(await Deno.readTextFile(directory.join("index.json")), text);
});

Deno.test("references() accepts null, which Go writes for an empty list", async () => {
  await using directory = await layoutWith({ schemaVersion: 2, manifests: null });
  const store = await ContentStore.open(directory.path);

  assertEquals(await store.references(), []);
});

Deno.test("references() accepts a manifest list of Docker, as ggcr may write", async () => {
  const mediaType = "application/vnd.docker.distribution.manifest.list.v2+json";
  await using directory = await layoutWith({ ...INDEX, mediaType });
  const store = await ContentStore.open(directory.path);

  assertEquals((await store.references()).map(({ name }) => name), ["latest"]);
});

Deno.test("references() reads more entries than an image index may have", async () => {
  const manifests = Array.from({ length: 5000 }, (_, i) => ({
    ...FOREIGN,
    annotations: { "org.opencontainers.image.ref.name": `example.com/a:${i}` },
  }));
  await using directory = await layoutWith({ ...INDEX, manifests });
  const store = await ContentStore.open(directory.path);

  assertEquals((await store.references()).length, 5000);
});

Deno.test("tag() and untag() record the same names as a map", async () => {
  const name = fc.integer({ min: 0, max: 4 }).map((i) => `example.com/a:${i}`);
  const step = fc.oneof(
    fc.record({ tag: name, target: fc.constantFrom(ONE, TWO) }),
    fc.record({ untag: fc.array(name, { maxLength: 3 }) }),
  );

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await using directory = await layoutWith(INDEX);
      const store = await openFilled(directory.path);
      const model = new Map<string, string>([["latest", FOREIGN.digest]]);
      for (const step of steps) {
        if ("tag" in step) {
          await store.tag(step.tag, step.target);
          model.set(step.tag, step.target.digest);
        } else {
          const removed = await store.untag(step.untag);
          assertEquals(removed, step.untag.filter((name) => model.has(name)));
          for (const name of step.untag) model.delete(name);
        }
      }

      const references = await store.references();
      const found = new Map(references.map(({ name, descriptor }) => [name, descriptor.digest]));
      assertEquals(found, model);
      assertEquals(references.length, model.size);
    }),
    { numRuns: 25 },
  );
});

function descriptor(seed: number): Descriptor {
  return { ...randomBlob(10, seed).descriptor, mediaType: "application/x" };
}

/** Opens a store that has both documents. */
async function openFilled(path: string): Promise<ContentStore> {
  const store = await ContentStore.open(path);
  for (const seed of [1, 2]) {
    const { descriptor, bytes } = randomBlob(10, seed);
    await store.putBytes(descriptor, bytes);
  }
  return store;
}

async function layoutWith(index: unknown): Promise<TempDir> {
  const directory = await makeTempDir();
  await Deno.writeTextFile(directory.join("oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await Deno.writeTextFile(directory.join("index.json"), JSON.stringify(index));
  return directory;
}

Deno.test("record() assigns all names in one change, and keeps other entries", async () => {
  await using temp = await makeTempDir();
  const store = await openFilled(temp.path);
  await store.tag("example.com/a:1", ONE);
  await store.tag("example.com/kept:1", ONE);

  await store.record([
    { name: "example.com/b:1", descriptor: ONE },
    { name: "example.com/a:1", descriptor: TWO },
    { descriptor: ONE },
    { name: "example.com/b:1", descriptor: TWO },
  ]);

  const names = (await store.references()).map(({ name, descriptor }) => [name, descriptor.digest]);
  assertEquals(names, [
    ["example.com/a:1", TWO.digest],
    ["example.com/kept:1", ONE.digest],
    ["example.com/b:1", TWO.digest],
  ]);
  assertEquals((await store.descriptors()).length, 3);
});

Deno.test("references() sees changes of index.json by other tools and stores", async () => {
  await using directory = await makeTempDir();
  const store = await openFilled(directory.path);
  const path = directory.join("index.json");
  const names = async () => (await store.references()).map(({ name }) => name);
  await store.tag("example.com/a:1", ONE);
  const { mtime } = await Deno.stat(path);
  const text = await Deno.readTextFile(path);
  assertEquals(await names(), ["example.com/a:1"]);

  // Another tool writes as many bytes in place, at the same time.
  await Deno.writeTextFile(path, text.replace("a:1", "b:1"));
  await Deno.utime(path, mtime ?? 0, mtime ?? 0);

  assertEquals(await names(), ["example.com/b:1"]);
  await (await ContentStore.open(directory.path)).tag("example.com/c:1", TWO);
  assertEquals(await names(), ["example.com/b:1", "example.com/c:1"]);
  await store.untag(["example.com/b:1"]);
  assertEquals(await names(), ["example.com/c:1"]);
  assertEquals((await store.descriptors()).map(({ digest }) => digest), [TWO.digest]);
  await Deno.remove(path);
  assertEquals(await names(), []);
});

/** Counts how often `index.json` is opened, at a clock that is ten seconds ahead. */
function countOpenedLater(): Disposable & { readonly opened: number } {
  const { openSync } = Deno;
  const { now } = Date;
  let opened = 0;
  Deno.openSync = (...args) => {
    if (String(args[0]).endsWith("/index.json")) opened++;
    return openSync(...args);
  };
  Date.now = () => now() + 10_000;
  return {
    get opened() {
      return opened;
    },
    [Symbol.dispose]: () => {
      Date.now = now;
      Deno.openSync = openSync;
    },
  };
}

Deno.test("references() does not read an index.json again that has not changed for seconds", async () => {
  await using directory = await makeTempDir();
  const store = await openFilled(directory.path);
  await store.tag("example.com/a:1", ONE);
  using later = countOpenedLater();

  const first = await store.references();
  assertEquals(later.opened, 1);

  assertEquals(await store.references() === first, true);
  assertEquals(later.opened, 1);
  await Deno.copyFile(directory.join("index.json"), directory.join("new"));
  await Deno.rename(directory.join("new"), directory.join("index.json"));
  await store.references();
  assertEquals(later.opened, 2);
  // A change always reads the current file.
  await store.untag(["example.com/other:1"]);
  assertEquals(later.opened, 3);
});
