import { assert, assertEquals, assertRejects } from "@std/assert";
import { DigestMismatchError, digestOf } from "../../../spec/mod.ts";
import { ContentStore, StoreFileError } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { makeTempStore } from "../../_support/temp_store.ts";

const BYTES = noise(700_000, 5);
const DIGEST = digestOf(BYTES);

Deno.test.each(
  [
    { begun: "sha256", digest: DIGEST },
    { begun: "sha256", digest: digestOf(BYTES, "sha512") },
    { begun: "sha512", digest: digestOf(BYTES, "sha512") },
    { begun: "sha512", digest: DIGEST },
  ] as const,
)("ContentUpload begun with $begun commits $digest", async ({ begun, digest }) => {
  await using store = await makeTempStore();

  {
    await using upload = await store.beginUpload({ algorithm: begun });
    for (let at = 0; at < BYTES.length; at += 99_999) upload.write(BYTES.subarray(at, at + 99_999));
    assertEquals(upload.size, BYTES.length);
    await upload.commit(digest);
  }

  assertEquals(await store.readBlob({ digest, size: BYTES.length }), BYTES);
  assertEquals(await ingested(store), []);
});

Deno.test("ContentUpload commits the empty blob", async () => {
  await using store = await makeTempStore();
  const digest = digestOf(new Uint8Array());

  await using upload = await store.beginUpload();
  await upload.commit(digest);

  assert(await store.has({ digest, size: 0 }));
});

Deno.test("ContentUpload replaces a corrupt blob, and keeps an intact one", async () => {
  await using store = await makeTempStore();
  const path = store.blobPath(DIGEST);
  const inodes: unknown[] = [];
  const push = async () => {
    await using upload = await store.beginUpload();
    upload.write(BYTES);
    await upload.commit(DIGEST);
    inodes.push((await Deno.stat(path)).ino);
  };

  await push();
  await push();
  await Deno.writeFile(path, noise(BYTES.length, 6));
  await push();

  assertEquals(await Deno.readFile(path), BYTES);
  assertEquals(inodes[0], inodes[1]);
  assertEquals(await ingested(store), []);
});

Deno.test("ContentUpload discards bytes that are not committed", async () => {
  await using store = await makeTempStore();

  {
    await using upload = await store.beginUpload();
    upload.write(BYTES);
    assertEquals((await ingested(store)).length, 1);
  }
  {
    await using upload = await store.beginUpload();
    await assertRejects(() => upload.commit(DIGEST), DigestMismatchError);
  }

  assertEquals(await ingested(store), []);
  assertEquals(await store.has(DIGEST), false);
});

Deno.test("ContentUpload holds the lock of its file while it is in use", async () => {
  await using store = await makeTempStore();
  await using upload = await store.beginUpload();
  upload.write(BYTES);
  const [name = ""] = await ingested(store);

  using file = await Deno.open(`${store.path}/ingest/${name}`, { read: true, write: true });

  assertEquals(await file.tryLock(true), false);
});

Deno.test("ContentStore.beginUpload() removes leftovers of killed processes", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  await using alive = await store.beginUpload();
  const [used = ""] = await ingested(store);
  const dead = `upload-${crypto.randomUUID()}.part`;
  const others = [dead, "upload-1.part", `${"sha256-".padEnd(71, "0")}.part`];
  for (const name of others) await Deno.writeTextFile(`${store.path}/ingest/${name}`, "x");
  await Deno.mkdir(`${store.path}/ingest/upload-2.part`);

  await using _upload = await (await ContentStore.open(directory.path)).beginUpload();
  const left = await ingested(store);

  assert(left.includes(used));
  assertEquals(alive.size, 0);
  assertEquals(left.includes(dead), false);
  for (const name of [...others.slice(1), "upload-2.part"]) assert(left.includes(name), name);
});

async function ingested({ path }: ContentStore): Promise<readonly string[]> {
  return (await Array.fromAsync(Deno.readDir(`${path}/ingest`))).map(({ name }) => name);
}

Deno.test("ContentUpload.commit() names a directory that has the name of the blob", async () => {
  await using store = await makeTempStore();
  const path = store.blobPath(DIGEST);
  await using upload = await store.beginUpload();
  upload.write(BYTES);
  await Deno.mkdir(path, { recursive: true });

  const error = await assertRejects(() => upload.commit(DIGEST), StoreFileError);

  assertEquals([error.fault, error.path], ["directory", path]);
  assertEquals(await ingested(store), []);
});
