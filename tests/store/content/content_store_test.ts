import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { digestHex, DigestMismatchError, LimitError } from "../../../spec/mod.ts";
import { removeIfAny } from "../../../store/host/files.ts";
import { ContentStore, StoreError } from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { run } from "../../_support/process.ts";
import { rotBlob } from "../../_support/rot.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { makeTempStore } from "../../_support/temp_store.ts";

const { descriptor: DESCRIPTOR, bytes: BYTES } = randomBlob(300_000);

Deno.test("ContentStore.open() treats a missing directory as an empty store and creates nothing", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("store");

  const store = await ContentStore.open(path);

  assertEquals(await store.references(), []);
  assertEquals(await store.has(DESCRIPTOR), false);
  assertEquals(await store.untag(["a"]), []);
  assertEquals(await exists(path), false);
});

Deno.test("ContentStore creates an OCI image layout with the first blob", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("a/b"));

  await store.putBytes(DESCRIPTOR, BYTES);

  const json = async (name: string) => JSON.parse(await Deno.readTextFile(`${store.path}/${name}`));
  assertEquals(await json("oci-layout"), { imageLayoutVersion: "1.0.0" });
  assertEquals(await json("index.json"), {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [],
  });
});

Deno.test.each([
  { what: "a directory with other files", make: (path: string) => write(path, "notes.txt", "") },
  { what: "a later layout", make: (path: string) => write(path, "oci-layout", version("2.0.0")) },
  { what: "a damaged layout", make: (path: string) => write(path, "oci-layout", "{") },
  { what: "an empty layout file", make: (path: string) => write(path, "oci-layout", "") },
  { what: "null as a layout", make: (path: string) => write(path, "oci-layout", "null") },
  { what: "a layout without a version", make: (path: string) => write(path, "oci-layout", "{}") },
])("ContentStore.open() rejects $what", async ({ make }) => {
  await using directory = await makeTempDir();
  await make(directory.path);

  const error = await assertRejects(() => ContentStore.open(directory.path), StoreError);

  assertStringIncludes(error.path, directory.path);
  assertStringIncludes(error.message, `"${error.path}"`);
});

Deno.test("ContentStore.open() rejects a file", async () => {
  await using directory = await makeTempDir();
  await write(directory.path, "file", "");

  await assertRejects(
    () => ContentStore.open(directory.join("file")),
    StoreError,
    "it is not a directory",
  );
});

Deno.test.each([
  { path: "file", problem: "it is not a directory" },
  { path: ".", problem: "it has no oci-layout file, so it is not an OCI image layout" },
  { path: "none", problem: "it does not exist" },
])("ContentStore.open() finds no image in a foreign $path", async ({ path, problem }) => {
  await using directory = await makeTempDir();
  await write(directory.path, "file", "");
  const place = directory.join(path);

  const error = await assertRejects(
    () => ContentStore.open(place, { foreign: true }),
    StoreError,
    `Cannot find an image in "${place}": ${problem}. Check the path`,
  );

  assertEquals(error.code, "no-image");
});

Deno.test("ContentStore.open() accepts a store left incomplete by a killed process", async () => {
  await using directory = await makeTempDir();
  await Deno.mkdir(directory.join("blobs"));
  for (const name of ["oci-layout.tmp", "hidden.json", ".overlay-trial.lock"]) {
    await write(directory.path, name, "");
  }

  const store = await ContentStore.open(directory.path);
  await store.putBytes(DESCRIPTOR, BYTES);

  assertEquals(await store.readBlob(DESCRIPTOR), BYTES);
});

Deno.test("verify() hashes a blob that another tool wrote only once", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  await store.putBytes(randomBlob(1).descriptor, randomBlob(1).bytes);
  const path = store.blobPath(DESCRIPTOR.digest);
  await Deno.writeFile(path, BYTES);
  await Deno.utime(path, 1_000_000, 1_000_000);

  assertEquals(await store.verify(DESCRIPTOR), true);
  const mark = directory.join("verified", DESCRIPTOR.digest.replace(":", "-"));

  assertEquals(await exists(mark), true);
});

Deno.test.each([
  { what: "other bytes", damage: (path: string) => Deno.writeFile(path, new Uint8Array(300_000)) },
  { what: "fewer bytes", damage: (path: string) => Deno.truncate(path, 299_999) },
  {
    what: "other bytes with the time of the old ones",
    damage: async (path: string) => {
      const { atime, mtime } = await Deno.stat(path);
      // The change time has whole seconds; within one, the inode differs.
      await Deno.writeFile(`${path}.new`, new Uint8Array(300_000));
      await Deno.rename(`${path}.new`, path);
      await Deno.utime(path, atime ?? 0, mtime ?? 0);
    },
  },
])("verify() notices $what", async ({ damage }) => {
  await using store = await makeTempStore();
  await store.putBytes(DESCRIPTOR, BYTES);
  assertEquals(await store.verify(DESCRIPTOR), true);

  await damage(store.blobPath(DESCRIPTOR.digest));

  const error = await assertRejects(() => store.verify(DESCRIPTOR), DigestMismatchError);
  assertEquals(error.expected, DESCRIPTOR.digest);
});

Deno.test("verify() distinguishes absent from corrupt blobs, and treats a symlink as absent", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  assertEquals(await store.verify(DESCRIPTOR), false);

  await store.putBytes(randomBlob(1).descriptor, randomBlob(1).bytes);
  await Deno.writeFile(directory.join("elsewhere"), BYTES);
  await Deno.symlink(directory.join("elsewhere"), store.blobPath(DESCRIPTOR.digest));

  assertEquals(await store.verify(DESCRIPTOR), false);
  assertEquals(await store.has(DESCRIPTOR), false);
  assertEquals(await store.readBlob(DESCRIPTOR), undefined);
  await assertRejects(() => store.openBlob(DESCRIPTOR.digest), StoreError, "it is a symlink");
});

Deno.test("putBytes() replaces a symlink with the blob", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  await store.putBytes(randomBlob(1).descriptor, randomBlob(1).bytes);
  const elsewhere = directory.join("elsewhere");
  await Deno.writeFile(elsewhere, new Uint8Array(3));
  await Deno.symlink(elsewhere, store.blobPath(DESCRIPTOR.digest));

  await store.putBytes(DESCRIPTOR, BYTES);

  assertEquals(await store.readBlob(DESCRIPTOR), BYTES);
  assertEquals(await Deno.readFile(elsewhere), new Uint8Array(3));
});

Deno.test.each([
  { name: "part", path: (file: string) => `ingest/sha256-${file}.part` },
  { name: "lock", path: () => "locks/index.lock" },
])(
  "ContentStore does not write to the target of a link in place of its $name",
  async ({ path }) => {
    await using dir = await makeTempDir();
    const { bytes, descriptor } = randomBlob(100);
    const store = await ContentStore.open(dir.join("store"));
    await store.putBytes(randomBlob(10).descriptor, randomBlob(10).bytes);
    const planted = dir.join("store", path(digestHex(descriptor.digest)));
    await Deno.writeTextFile(dir.join("victim"), "precious");
    removeIfAny(planted);
    await Deno.symlink(dir.join("victim"), planted);

    await assertRejects(
      async () => {
        await store.putBytes(descriptor, bytes);
        await store.tag("example.com/a:1", descriptor);
      },
      StoreError,
      planted,
    );

    assertEquals(await Deno.readTextFile(dir.join("victim")), "precious");
  },
);

Deno.test.each([
  { name: "index.json.tmp", path: () => "index.json.tmp" },
  { name: "mark", path: (file: string) => `verified/sha256-${file}` },
])("ContentStore replaces a link in place of its $name", async ({ path }) => {
  await using dir = await makeTempDir();
  const { bytes, descriptor } = randomBlob(100);
  const store = await ContentStore.open(dir.join("store"));
  await store.putBytes(randomBlob(10).descriptor, randomBlob(10).bytes);
  await Deno.writeTextFile(dir.join("victim"), "precious");
  await Deno.symlink(dir.join("victim"), dir.join("store", path(digestHex(descriptor.digest))));

  await store.putBytes(descriptor, bytes);
  await store.tag("example.com/a:1", descriptor);

  assertEquals(await Deno.readTextFile(dir.join("victim")), "precious");
  assertEquals((await store.resolve("example.com/a:1"))?.digest, descriptor.digest);
});

Deno.test("ContentStore does not block on a pipe in place of a part", async () => {
  await using dir = await makeTempDir();
  const { bytes, descriptor } = randomBlob(100);
  const store = await ContentStore.open(dir.path);
  await store.putBytes(randomBlob(10).descriptor, randomBlob(10).bytes);
  const part = dir.join(`ingest/sha256-${digestHex(descriptor.digest)}.part`);
  await run("mkfifo", [part]);

  await assertRejects(() => store.putBytes(descriptor, bytes), StoreError, part);
});

Deno.test("readBlob() verifies the bytes", async () => {
  await using store = await makeTempStore();
  await store.putBytes(DESCRIPTOR, BYTES);
  await Deno.writeFile(store.blobPath(DESCRIPTOR.digest), new Uint8Array(300_000));

  await assertRejects(() => store.readBlob(DESCRIPTOR), DigestMismatchError);
});

Deno.test.each([
  { maxBytes: 300_000, fits: true },
  { maxBytes: 299_999, fits: false },
])("readBlob() reads at most $maxBytes bytes", async ({ maxBytes, fits }) => {
  await using store = await makeTempStore();
  await store.putBytes(DESCRIPTOR, BYTES);

  const read = store.readBlob(DESCRIPTOR, { maxBytes });

  if (fits) assertEquals((await read)?.length, 300_000);
  else await assertRejects(() => read, LimitError);
});

Deno.test("openBlob() detects disk corruption and distrusts the blob", async () => {
  await using store = await makeTempStore();
  await store.putBytes(DESCRIPTOR, BYTES);
  await rotBlob(store, DESCRIPTOR.digest, 100);
  assertEquals(await store.verify(DESCRIPTOR), true);

  const stream = await store.openBlob(DESCRIPTOR.digest);
  await assertRejects(() => new Response(stream).bytes(), DigestMismatchError);

  await assertRejects(() => store.verify(DESCRIPTOR), DigestMismatchError);
  await store.putBytes(DESCRIPTOR, BYTES);
  assertEquals(await store.readBlob(DESCRIPTOR), BYTES);
});

Deno.test("openBlob() fails before the last bytes if they are wrong", async () => {
  await using store = await makeTempStore();
  await store.putBytes(DESCRIPTOR, BYTES);
  await Deno.writeFile(store.blobPath(DESCRIPTOR.digest), new Uint8Array(300_000));

  const stream = await store.openBlob(DESCRIPTOR.digest);
  let size = 0;
  const reading = async () => {
    for await (const chunk of stream) size += chunk.length;
  };

  await assertRejects(reading, DigestMismatchError);
  assert(size < 300_000, `${size}`);
});

Deno.test.each([
  { offset: 0, length: 10 },
  { offset: 299_990, length: 10 },
  { offset: 299_990, length: 100 },
  { offset: 300_000, length: 1 },
  { offset: 5, length: 0 },
])("openBlob() opens $length bytes at $offset", async ({ offset, length }) => {
  await using store = await makeTempStore();
  await store.putBytes(DESCRIPTOR, BYTES);

  const stream = await store.openBlob(DESCRIPTOR.digest, { offset, length });

  assertEquals(await new Response(stream).bytes(), BYTES.slice(offset, offset + length));
});

Deno.test("openBlob() closes the file of a stream that is canceled", async () => {
  await using store = await makeTempStore();
  await store.putBytes(DESCRIPTOR, BYTES);

  const stream = await store.openBlob(DESCRIPTOR.digest);
  await stream.cancel();

  assertEquals(stream.locked, false);
});

Deno.test("openBlob() fails with the reason of its signal", async () => {
  await using store = await makeTempStore();
  await store.putBytes(DESCRIPTOR, BYTES);
  const controller = new AbortController();
  const stream = await store.openBlob(DESCRIPTOR.digest, { signal: controller.signal });
  const reason = new Error("enough");

  controller.abort(reason);
  const error = await new Response(stream).bytes().catch((error) => error);

  assertEquals(error, reason);
});

async function write(path: string, name: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${path}/${name}`, text);
}

function version(imageLayoutVersion: string): string {
  return JSON.stringify({ imageLayoutVersion });
}

Deno.test("ContentStore.tag() rejects invalid names, and documents that are not stored", async () => {
  await using store = await makeTempStore();
  const { descriptor, bytes } = randomBlob(10);

  const error = await assertRejects(() => store.tag("a.io/b:1", descriptor), StoreError);
  await store.putBytes(descriptor, bytes);
  await store.tag("a.io/b:1", descriptor);

  assertEquals(error.code, "missing-content");
  for (const name of ["", "a b", "a\n"]) {
    const tag = () => store.tag(name, descriptor);
    const invalid = await assertRejects(tag, SyntaxError, "it is not a valid image name");
    assertEquals("code" in invalid && invalid.code, "invalid-reference");
  }
  assertEquals((await store.references()).map(({ name }) => name), ["a.io/b:1"]);
});
