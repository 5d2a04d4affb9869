import { assert, assertEquals, assertRejects } from "@std/assert";
import { TarParser } from "../../../layer/mod.ts";
import { openBytes } from "../../../spec/image/read_bytes.ts";
import { DigestMismatchError, OciError, PlatformError } from "../../../spec/mod.ts";
import {
  ContentStore,
  ImageArchive,
  ImageArchiveWriter,
  loadArchive,
  saveArchive,
  StoreError,
} from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  nestedIndex,
  putBlobs,
} from "../../_support/image.ts";
import { makeTempDir, namesIn, type TempDir } from "../../_support/temp.ts";
import { IMAGE } from "../archives/_archives.ts";

const ARM = buildImage({ layers: [noise(1000)], platform: "linux/arm64" });
const INDEX = buildIndex([IMAGE, ARM]);

async function storeOf(dir: TempDir, ...built: readonly Built[]): Promise<ContentStore> {
  const store = await ContentStore.open(dir.join("store"));
  await putBlobs(store, ...built);
  return store;
}

Deno.test("saveArchive() writes thousands of names, which loadArchive() reads", async () => {
  await using dir = await makeTempDir();
  const store = await storeOf(dir, IMAGE);
  const names = Array.from({ length: 4097 }, (_, i) => `h.io/a:${i}`);
  const path = dir.join("a.tar");
  await saveArchive(
    store,
    names.map((name) => ({ name, descriptor: IMAGE.descriptor })),
    path,
    { format: "oci-archive" },
  );

  const loaded = await loadArchive(await ContentStore.open(dir.join("other")), path);

  assertEquals(loaded.length, 4097);
});

Deno.test("ImageArchiveWriter.commit() rejects more names than can be read", async () => {
  await using dir = await makeTempDir();
  await using writer = await ImageArchiveWriter.create(dir.join("a.tar"), "oci-archive");
  for (let i = 0; i <= 65_536; i++) await writer.keep(IMAGE.descriptor);

  const error = await assertRejects(() => writer.commit(), OciError, "more than 65536 images");

  assertEquals(error.code, "archive-format");
});

Deno.test.each<{ format: "oci-archive" | "docker-archive" }>([
  { format: "oci-archive" },
  { format: "docker-archive" },
])(
  "saveArchive() writes a $format from which loadArchive() restores every byte",
  async ({ format }) => {
    await using dir = await makeTempDir();
    const store = await storeOf(dir, IMAGE, ARM);
    const path = dir.join("a.tar");

    const saved = await saveArchive(
      store,
      [
        { name: "h.io/a:1", descriptor: IMAGE.descriptor },
        { name: "h.io/a:2", descriptor: IMAGE.descriptor },
        { name: undefined, descriptor: ARM.descriptor },
      ],
      path,
      { format },
    );

    assertEquals(saved.map(({ isPart }) => isPart), [false, false, false]);
    const other = await ContentStore.open(dir.join("other"));
    const loaded = await loadArchive(other, path, { format });
    assertEquals(loaded.map(({ descriptor }) => descriptor.digest), [
      IMAGE.descriptor.digest,
      IMAGE.descriptor.digest,
      ARM.descriptor.digest,
    ]);
    assertEquals((await other.references()).map(({ name }) => name), ["h.io/a:1", "h.io/a:2"]);
    for (const { descriptor } of [...IMAGE.blobs.values(), ...ARM.blobs.values()]) {
      assert(await other.verify(descriptor));
    }
    assertEquals(await namesIn(dir.path), ["a.tar", "other", "store"]);
  },
);

Deno.test("saveArchive() writes the same bytes for the same images, also to a stream", async () => {
  await using dir = await makeTempDir();
  const store = await storeOf(dir, IMAGE);
  const image = { name: "h.io/a:1", descriptor: IMAGE.descriptor };
  const chunks: Uint8Array[] = [];
  const output = {
    write: (bytes: Uint8Array) => Promise.resolve(void chunks.push(bytes.slice())),
  };

  await saveArchive(store, [image], dir.join("a.tar"));
  await saveArchive(store, [image], dir.join("b.tar"));
  await saveArchive(store, [image], "stdout", { output });

  const first = await Deno.readFile(dir.join("a.tar"));
  assertEquals(await Deno.readFile(dir.join("b.tar")), first);
  assertEquals(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).bytes(), first);
});

Deno.test("saveArchive() lists each directory before the blobs in it", async () => {
  await using dir = await makeTempDir();
  const store = await storeOf(dir, IMAGE);
  const entries: string[] = [];
  const parser = new TarParser({
    entry: ({ type, path }) => void entries.push(`${type} ${path}`),
    data() {},
    end() {},
  });

  const image = { name: "h.io/a:1", descriptor: IMAGE.descriptor };
  await saveArchive(store, [image], dir.join("a.tar"));
  parser.push(await Deno.readFile(dir.join("a.tar")));
  parser.finish();

  assertEquals(entries.slice(0, 2), ["directory blobs/", "directory blobs/sha256/"]);
  assertEquals(new Set(entries).size, entries.length);
});

Deno.test("saveArchive() saves an index with all platforms, or one platform of it", async () => {
  await using dir = await makeTempDir();
  const store = await storeOf(dir, INDEX);
  const part = await ContentStore.open(dir.join("part"));
  for (const { descriptor, bytes } of [...ARM.blobs.values(), INDEX]) {
    await part.putBytes(descriptor, bytes);
  }
  const images = [{ name: "h.io/a:1", descriptor: INDEX.descriptor }];
  const digests = async (...args: Parameters<typeof saveArchive>) => {
    return (await saveArchive(...args)).map(({ descriptor }) => descriptor.digest);
  };
  const path = dir.join("a.tar");
  const platform = { os: "linux", architecture: "arm64" };
  const [whole, arm] = [INDEX.descriptor.digest, ARM.descriptor.digest];

  assertEquals(await digests(store, images, path), [whole]);
  assertEquals(await digests(store, images, path, { platform }), [arm]);
  assertEquals(await digests(store, images, path, { platform, format: "docker-archive" }), [arm]);
  // The only platform in the store.
  assertEquals(await digests(part, images, path), [arm]);
  assertEquals(await digests(store, images, dir.join("layout"), { format: "oci-dir" }), [whole]);
  for (const { descriptor } of [INDEX, IMAGE]) {
    await assertRejects(
      () =>
        saveArchive(store, [{ name: "h.io/a:1", descriptor }], path, {
          platform: { os: "plan9", architecture: "mips" },
        }),
      PlatformError,
    );
  }
  const layout = await ContentStore.open(dir.join("layout"));
  assertEquals((await layout.resolve("h.io/a:1"))?.digest, whole);
});

Deno.test("saveArchive() does not change the file if it fails", async () => {
  await using dir = await makeTempDir();
  const store = await storeOf(dir, IMAGE);
  const path = dir.join("a.tar");
  await Deno.writeTextFile(path, "before", { mode: 0o640 });
  await Deno.chmod(path, 0o640);
  const image = { name: "h.io/a:1", descriptor: IMAGE.descriptor };
  const layer = IMAGE.layers[1]?.descriptor;
  assert(layer !== undefined);

  await Deno.writeTextFile(store.blobPath(layer.digest), "x".repeat(layer.size));
  await assertRejects(() => saveArchive(store, [image], path), DigestMismatchError);
  await Deno.remove(store.blobPath(layer.digest));
  await assertRejects(() => saveArchive(store, [image], path), StoreError, layer.digest);

  assertEquals(await Deno.readTextFile(path), "before");
  assertEquals(await namesIn(dir.path), ["a.tar", "store"]);
});

Deno.test({
  name: "saveArchive() replaces the target of a link, and keeps link and mode",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await makeTempDir();
    const store = await storeOf(dir, IMAGE);
    await Deno.writeTextFile(dir.join("real"), "before");
    await Deno.chmod(dir.join("real"), 0o640);
    await Deno.symlink("real", dir.join("link"));

    await saveArchive(store, [{ name: "a", descriptor: IMAGE.descriptor }], dir.join("link"));

    assert((await Deno.lstat(dir.join("link"))).isSymlink);
    assertEquals(((await Deno.stat(dir.join("real"))).mode ?? 0) & 0o777, 0o640);
    assert((await Deno.stat(dir.join("real"))).size > 1024);
  },
});

Deno.test("saveArchive() writes artifacts to an oci-archive but not to a docker-archive", async () => {
  await using dir = await makeTempDir();
  const artifact = buildArtifact({ artifactType: "application/x-thing", content: "thing" });
  const store = await storeOf(dir, artifact);
  const images = [{ name: "h.io/thing:1", descriptor: artifact.descriptor }];
  const path = dir.join("a.tar");

  await assertRejects(
    () => saveArchive(store, images, path, { format: "docker-archive" }),
    Error,
    "it is not a container image",
  );
  assertEquals(await namesIn(dir.path), ["store"]);
  await saveArchive(store, images, path);

  using archive = await ImageArchive.open(path, { spoolDirectory: dir.path });
  assertEquals(archive.find("h.io/thing:1").descriptor.digest, artifact.descriptor.digest);
});

Deno.test("ImageArchiveWriter removes a partly written entry if possible", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("a.tar");
  await using writer = await ImageArchiveWriter.create(path, "oci-archive");
  const wrong = (size: number) => openBytes(new Uint8Array(size));

  for (const { descriptor, bytes } of IMAGE.blobs.values()) {
    await assertRejects(
      () => writer.push(descriptor, wrong(descriptor.size)),
      DigestMismatchError,
    );
    await writer.push(descriptor, openBytes(bytes));
    assert(await writer.exists(descriptor));
  }
  await writer.tag("v1", IMAGE.descriptor);
  await writer.commit();

  const store = await ContentStore.open(dir.join("store"));
  const [loaded] = await loadArchive(store, path);
  assertEquals(loaded?.descriptor.digest, IMAGE.descriptor.digest);
});

Deno.test("saveArchive() writes indexes that list the same content many times", async () => {
  await using dir = await makeTempDir();
  const nested = nestedIndex(8, IMAGE, 40);
  const store = await storeOf(dir, nested);
  const { descriptor } = nested;

  await saveArchive(store, [{ name: "h.io/a:1", descriptor }], dir.join("a.tar"));

  using archive = await ImageArchive.open(dir.join("a.tar"), { spoolDirectory: dir.path });
  assertEquals((await archive.resolve("h.io/a:1"))?.digest, descriptor.digest);
});

Deno.test("saveArchive() rejects an empty list of images", async () => {
  await using dir = await makeTempDir();
  const store = await storeOf(dir, IMAGE);

  for (const format of ["oci-archive", "docker-archive", "oci-dir"] as const) {
    await assertRejects(() => saveArchive(store, [], dir.join("out"), { format }), RangeError);
  }

  assertEquals(await namesIn(dir.path), ["store"]);
});
