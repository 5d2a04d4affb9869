import { assert, assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { LayoutHashCache, LayoutImageCache } from "../../../cache/mod.ts";
import { parseReference } from "../../../registry/mod.ts";
import {
  type Descriptor,
  digestHex,
  digestOf,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../../spec/mod.ts";
import { ContentStore, prune, readImage, StoreError } from "../../../store/mod.ts";
import { buildImage, buildIndex, type Built, putBlobs } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const SHARED = tar(file("shared", "shared"));
const OLD = buildImage({ layers: [SHARED, tar(file("old", "old"))] });
const NEW = buildImage({ layers: [SHARED, tar(file("new", "new"))] });
const DAY_MS = 86_400_000;

async function makeStore() {
  const directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));
  return {
    store,
    directory,
    async put(built: Built, name?: string): Promise<void> {
      await putBlobs(store, built);
      if (name !== undefined) await store.tag(name, built.descriptor);
    },
    async has(built: Built): Promise<boolean> {
      const there = await Promise.all(
        [...built.blobs.values()].map(({ descriptor }) => store.has(descriptor)),
      );
      return !there.includes(false);
    },
    /** Sets the age of the blobs of an image. */
    async age(built: Built, ms: number): Promise<void> {
      const time = new Date(Date.now() - ms);
      for (const { descriptor } of built.blobs.values()) {
        await Deno.utime(store.blobPath(descriptor.digest), time, time);
      }
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** Stores a small JSON document. */
async function putJson(store: ContentStore, mediaType: string, value: unknown) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await store.putBytes(descriptor, bytes);
  return descriptor;
}

Deno.test("prune() removes content that only a removed name referenced", async () => {
  await using scene = await makeStore();
  await scene.put(OLD, "example.com/a:old");
  await scene.put(NEW, "example.com/a:new");
  await scene.store.untag(["example.com/a:old"]);
  const unshared = [...OLD.blobs.values()].filter(({ descriptor }) => {
    return !NEW.blobs.has(descriptor.digest);
  });

  const { removed, bytes } = await prune(scene.store);

  assertEquals(
    removed.map(({ kind, name }) => `${kind} ${name}`).sort(),
    unshared.map(({ descriptor }) => `blob ${descriptor.digest}`).sort(),
  );
  assertEquals(bytes, unshared.reduce((sum, { descriptor }) => sum + descriptor.size, 0));
  assert(await scene.has(NEW));
  assertEquals((await prune(scene.store)).removed, []);
});

Deno.test("prune() that is killed leaves no mark without a blob", async () => {
  await using scene = await makeStore();
  await scene.put(OLD);
  const names = (folder: string) => {
    return [...Deno.readDirSync(`${scene.store.path}/${folder}`)].map(({ name }) => name);
  };
  const marks = names("verified").length;
  const { remove } = Deno;
  Deno.remove = async (path) => {
    await remove(path);
    throw new Deno.errors.Interrupted();
  };

  try {
    await assertRejects(() => prune(scene.store), Deno.errors.Interrupted);
  } finally {
    Deno.remove = remove;
  }

  assertEquals(marks, OLD.blobs.size);
  assertEquals(names("verified").length, names("blobs/sha256").length);
});

Deno.test("prune() removes nothing in a dry run", async () => {
  await using scene = await makeStore();
  await scene.put(OLD);

  const { removed } = await prune(scene.store, { dryRun: true });

  assertEquals(removed.length, OLD.blobs.size);
  assert(await scene.has(OLD));
});

Deno.test("prune() keeps nested indexes and their content", async () => {
  await using scene = await makeStore();
  const index = buildIndex([OLD, NEW]);
  const outer = await (async () => {
    await scene.put(index);
    return await putJson(scene.store, OCI_INDEX, {
      schemaVersion: 2,
      manifests: [index.descriptor],
    });
  })();
  await scene.store.tag("example.com/nested:1", outer);

  assertEquals((await prune(scene.store)).removed, []);
});

Deno.test("prune() keeps archives of an image whose config has names in another case", async () => {
  await using scene = await makeStore();
  const archive = tar(file("a", "a"));
  const RootFS = { Type: "layers", "Diff_IDs": [digestOf(archive)] };
  const configBlob = { rootfs: undefined, RootFS };
  await scene.put(buildImage({ layers: [archive], configBlob }), "example.com/a:1");
  const directory = `${scene.store.path}/tarballs/sha256`;
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeFile(`${directory}/${digestHex(digestOf(archive))}`, archive);

  assertEquals((await prune(scene.store)).removed, []);
});

Deno.test("prune() keeps signatures of named images, and signatures of those", async () => {
  await using scene = await makeStore();
  await scene.put(OLD, "example.com/a:1");
  await scene.put(NEW);
  const config = await putJson(scene.store, "application/vnd.oci.empty.v1+json", {});
  const referrer = (subject: Descriptor) => {
    return putJson(scene.store, OCI_MANIFEST, { schemaVersion: 2, config, layers: [], subject });
  };
  const signature = await referrer(OLD.descriptor);
  const nested = await referrer(signature);
  const stray = await referrer(NEW.descriptor);
  for (const entry of [nested, stray, signature]) await scene.store.keep(entry);

  await prune(scene.store);

  assert(await scene.store.has(signature));
  assert(await scene.store.has(nested));
  assertEquals(await scene.store.has(stray), false);
  const entries = (await scene.store.descriptors()).map(({ digest }) => digest);
  assertEquals(entries.sort(), [OLD.descriptor, signature, nested].map((d) => d.digest).sort());
});

Deno.test("prune() keeps content that is younger than the limit", async () => {
  await using scene = await makeStore();
  await scene.put(OLD);
  await scene.put(NEW);
  await scene.age(OLD, 8 * DAY_MS);
  await scene.age(NEW, 6 * DAY_MS);

  await prune(scene.store, { olderThanMs: 7 * DAY_MS });

  assertEquals([await scene.has(OLD), await scene.has(NEW)], [false, true]);
});

Deno.test("prune() keeps the newest names of each repository", async () => {
  await using scene = await makeStore();
  const other = buildImage({ layers: [tar(file("x", "other"))] });
  await scene.put(OLD, "example.com/a:1");
  await scene.put(NEW, "example.com/a:2");
  await scene.put(other, "example.com/b:1");
  await scene.age(OLD, DAY_MS);

  const { removed } = await prune(scene.store, { keepLast: 1 });

  const names = removed.filter(({ kind }) => kind === "name").map(({ name }) => name);
  assertEquals(names, ["example.com/a:1"]);
  assertEquals(
    (await scene.store.references()).map(({ name }) => name),
    ["example.com/a:2", "example.com/b:1"],
  );
});

Deno.test("prune() keeps content held by a running command until it ends", async () => {
  await using scene = await makeStore();
  const hold = await scene.store.hold();
  await scene.put(OLD);

  const during = await prune(scene.store);
  hold?.[Symbol.dispose]();
  const after = await prune(scene.store);

  assertEquals(during.removed, []);
  assertEquals(after.removed.length, OLD.blobs.size);
});

Deno.test("prune() removes the holds of killed commands", async () => {
  await using scene = await makeStore();
  await scene.put(OLD);
  await Deno.mkdir(`${scene.store.path}/locks/holds`, { recursive: true });
  const stale = `${scene.store.path}/locks/holds/${crypto.randomUUID()}`;
  await Deno.writeTextFile(stale, `${OLD.descriptor.digest}\n`);

  const { removed } = await prune(scene.store);

  assertEquals(removed.length, OLD.blobs.size);
  assertEquals(await exists(stale), false);
});

Deno.test("prune() loses nothing while images are pulled", async () => {
  await using scene = await makeStore();
  const { store } = scene;
  const source = await makeStore();
  await using _ = source;
  await source.put(OLD);
  const platform = { os: "linux", architecture: "amd64" };
  const remote = await readImage(source.store, OLD.descriptor.digest, platform);
  assert(remote !== undefined);
  const images = new LayoutImageCache(store);
  const names = new LayoutHashCache(store);

  for (let round = 0; round < 20; round++) {
    await store.untag(["example.com/a:1"]);
    const pulled = (async () => {
      using _hold = await images.hold();
      await images.writeImage(remote);
      await names.writeHash(parseReference("example.com/a:1"), remote.digest);
    })();
    await Promise.all([pulled, prune(store), prune(store)]);
    assert(await scene.has(OLD), `round ${round}`);
  }
});

Deno.test("prune() rejects a damaged document whose references are unknown", async () => {
  await using scene = await makeStore();
  await scene.put(OLD, "example.com/a:1");
  await Deno.writeTextFile(scene.store.blobPath(OLD.descriptor.digest), "{}");

  await assertRejects(() => prune(scene.store), StoreError, OLD.descriptor.digest);

  assert(await exists(scene.store.blobPath(OLD.config.descriptor.digest)));
});

Deno.test("prune() rejects a damaged document with a name that another process uses", async () => {
  await using scene = await makeStore();
  await scene.put(OLD, "example.com/a:1");
  await Deno.writeTextFile(scene.store.blobPath(OLD.descriptor.digest), "{}");
  const other = await ContentStore.open(scene.store.path);
  using hold = await other.hold();
  await hold?.add(OLD.descriptor.digest);

  await assertRejects(() => prune(scene.store), StoreError, OLD.descriptor.digest);

  assert(await exists(scene.store.blobPath(OLD.config.descriptor.digest)));
});

Deno.test("prune() removes old incomplete downloads with their records", async () => {
  await using scene = await makeStore();
  await scene.put(OLD, "example.com/a:1");
  const part = `${scene.store.path}/ingest/sha256-${"0".repeat(64)}.part`;
  const young = `${scene.store.path}/ingest/sha256-${"1".repeat(64)}.part`;
  for (const path of [part, `${part}.ranges`, young]) await Deno.writeTextFile(path, "");
  const time = new Date(Date.now() - 2 * 3_600_000);
  for (const path of [part, `${part}.ranges`]) await Deno.utime(path, time, time);

  const { removed } = await prune(scene.store);

  assertEquals(removed, [{ kind: "download", name: part, bytes: 0 }]);
  const left = await Array.fromAsync(Deno.readDir(`${scene.store.path}/ingest`));
  assertEquals(left.map(({ name }) => `${scene.store.path}/ingest/${name}`), [young]);
});

Deno.test("prune() creates nothing if there is no store", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));

  assertEquals(await prune(store), { removed: [], bytes: 0 });

  assertEquals(await exists(directory.join("store")), false);
});

Deno.test("prune() removes records of directories that are no longer unpacked into", async () => {
  await using scene = await makeStore();
  await scene.put(NEW, "example.com/a:new");
  const locks = `${scene.store.path}/locks`;
  const record = async (name: string, work?: string) => {
    const target = scene.directory.join(name);
    await Deno.mkdir(target);
    if (work !== undefined) await Deno.mkdir(`${target}/${work}`);
    await Deno.writeTextFile(`${locks}/unpack-${name}`, `${target}\0id`, { mode: 0o644 });
  };
  await record("done");
  await record("killed", ".oci-unpack");
  await record("moving", ".oci-unpack-id");
  await record("running");
  using running = await Deno.open(`${locks}/unpack-running`, { write: true });
  await running.lock(true);
  await record("gone");
  await Deno.remove(scene.directory.join("gone"));

  await prune(scene.store);

  const left = (await Array.fromAsync(Deno.readDir(locks), ({ name }) => name)).sort();
  assertEquals(left.filter((name) => name.startsWith("unpack-")), [
    "unpack-killed",
    "unpack-moving",
    "unpack-running",
  ]);
});

Deno.test("prune() removes content that is dated from before the clock was set back", async () => {
  await using scene = await makeStore();
  await scene.put(OLD);
  await scene.age(OLD, -2 * DAY_MS);
  const part = `${scene.store.path}/ingest/sha256-${"0".repeat(64)}.part`;
  await Deno.writeTextFile(part, "half");
  const time = new Date(Date.now() + 2 * DAY_MS);
  await Deno.utime(part, time, time);

  const young = await prune(scene.store, { olderThanMs: 3 * DAY_MS });
  const { removed } = await prune(scene.store, { olderThanMs: DAY_MS });

  assertEquals(young.removed, []);
  const kinds = removed.map(({ kind }) => kind).sort();
  assertEquals(kinds, [...Array(OLD.blobs.size).fill("blob"), "download"]);
});

Deno.test.each([
  { what: "no media type", change: { mediaType: undefined } },
  { what: "a size with a fraction", change: { size: 1.5 } },
  { what: "no size", change: { size: undefined } },
  { what: "a member in another case", change: { Size: 1 } },
  {
    what: "its digest in another case",
    change: { digest: undefined, Digest: OLD.descriptor.digest },
  },
])("prune() keeps the content of an entry with $what", async ({ change }) => {
  await using scene = await makeStore();
  await scene.put(OLD);
  const path = `${scene.store.path}/index.json`;
  const { digest, size, mediaType } = OLD.descriptor;
  const manifests = [{ mediaType, digest, size, ...change }];
  await Deno.writeTextFile(path, JSON.stringify({ schemaVersion: 2, manifests }));

  const warnings: string[] = [];
  const { removed } = await prune(await ContentStore.open(scene.store.path), {
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(removed, []);
  assertEquals(warnings, [`Keeping ${digest}: "${path}" has an invalid entry for it`]);
  assert(await scene.has(OLD));
  assertEquals(JSON.parse(await Deno.readTextFile(path)).manifests.length, 1);
});

Deno.test("prune() keeps what a manifest without a media type in an index refers to", async () => {
  await using scene = await makeStore();
  await scene.put(OLD);
  const { digest, size } = OLD.descriptor;
  const index = await putJson(scene.store, OCI_INDEX, { manifests: [{ digest, size }] });
  await scene.store.tag("example.com/a:1", index);

  assertEquals((await prune(scene.store)).removed, []);
  assert(await scene.has(OLD));
});

Deno.test("prune() removes content from a layout that another tool has written", async () => {
  await using scene = await makeStore();
  await scene.put(OLD);
  await scene.put(NEW, "example.com/a:new");
  const { path } = scene.store;
  for (const name of ["locks", "ingest", "verified"]) {
    await Deno.remove(`${path}/${name}`, { recursive: true });
  }

  const dry = await prune(await ContentStore.open(path), { dryRun: true });
  const { removed } = await prune(await ContentStore.open(path));

  assert(removed.length > 0);
  assertEquals(dry.removed, removed);
  assert(await scene.has(NEW));
});

Deno.test("prune() removes more names than a call can have arguments", async () => {
  await using scene = await makeStore();
  await scene.put(OLD);
  const manifests = Array.from({ length: 130_000 }, (_, i) => {
    return { ...OLD.descriptor, annotations: { "org.opencontainers.image.ref.name": `a:${i}` } };
  });
  const index = JSON.stringify({ schemaVersion: 2, manifests });
  await Deno.writeTextFile(`${scene.store.path}/index.json`, index);
  const { removed } = await prune(scene.store, { keepLast: 1, dryRun: true });
  assertEquals(removed.length, manifests.length - 1);
});
