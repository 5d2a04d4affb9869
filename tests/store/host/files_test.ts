import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import { isDiskFull } from "../../../spec/error_facts.ts";
import { digestOf, OciError } from "../../../spec/mod.ts";
import { replaceFile } from "../../../store/host/files.ts";
import { ContentStore } from "../../../store/mod.ts";
import { mountTest } from "../../_support/mounting.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

/** Writes to a file until the disk is full. */
async function fill(directory: string): Promise<void> {
  using filler = await Deno.create(`${directory}/filler`);
  await assertRejects(async () => {
    for (;;) await filler.write(new Uint8Array(4096));
  });
}

/** A file system of 64 KiB. */
async function smallDisk() {
  const directory = await makeTempDir();
  const path = directory.join("disk");
  await Deno.mkdir(path);
  mountTmpfs(path, { sizeBytes: 65_536 });
  return {
    path,
    async [Symbol.asyncDispose]() {
      unmountTree(path);
      await directory[Symbol.asyncDispose]();
    },
  };
}

mountTest("replaceFile() names the file if the disk is full, and keeps it", async () => {
  await using disk = await smallDisk();
  await replaceFile(disk.path, "a.json", new Uint8Array([1]));

  const error = await assertRejects(
    () => replaceFile(disk.path, "a.json", new Uint8Array(100_000)),
    OciError,
    `Cannot write "${disk.path}/a.json": the disk is full. Free some space`,
  );

  assertEquals(isDiskFull(error), true);
  assertEquals(await Array.fromAsync(Deno.readDir(disk.path), ({ name }) => name), ["a.json"]);
  assertEquals(await Deno.readFile(`${disk.path}/a.json`), new Uint8Array([1]));
});

mountTest("ContentStore.tag() names the index if the disk is full", async () => {
  await using disk = await smallDisk();
  const store = await ContentStore.open(disk.path);
  const bytes = new TextEncoder().encode("{}");
  const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
  const descriptor = { mediaType: "application/vnd.oci.empty.v1+json", digest, size: 2 } as const;
  await store.putBytes(descriptor, bytes);
  await fill(disk.path);

  await assertRejects(
    () => store.tag("example.com/empty:1", descriptor),
    OciError,
    `Cannot write "${disk.path}/index.json": the disk is full`,
  );

  assertEquals(await store.resolve("example.com/empty:1"), undefined);
});

mountTest("ContentUpload and holds name the file if the disk is full", async () => {
  await using disk = await smallDisk();
  const store = await ContentStore.open(disk.path);
  await using upload = await store.beginUpload();
  using hold = await store.hold();
  await fill(disk.path);
  const digests = Array.from({ length: 1000 }, (_, i) => digestOf(new Uint8Array([i])));

  const named = (name: string) =>
    new RegExp(`^Cannot write "${disk.path}/${name}[^"]*": the disk is`);
  const written = assertThrows(() => upload.write(new Uint8Array(100_000)), OciError);
  const held = await assertRejects(async () => await hold?.add(...digests), OciError);

  assertMatch(written.message, named("ingest/upload-"));
  assertMatch(held.message, named("locks/holds/"));
  assertEquals([written, held].map(isDiskFull), [true, true]);
});
