import { assertEquals, assertRejects } from "@std/assert";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import { isDiskFull } from "../../../spec/error_facts.ts";
import { OciError } from "../../../spec/mod.ts";
import { replaceFile } from "../../../store/host/files.ts";
import { ContentStore } from "../../../store/mod.ts";
import { mountTest } from "../../_support/mounting.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

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
  {
    using filler = await Deno.create(`${disk.path}/filler`);
    await assertRejects(async () => {
      for (;;) await filler.write(new Uint8Array(4096));
    });
  }

  await assertRejects(
    () => store.tag("example.com/empty:1", descriptor),
    OciError,
    `Cannot write "${disk.path}/index.json": the disk is full`,
  );

  assertEquals(await store.resolve("example.com/empty:1"), undefined);
});
