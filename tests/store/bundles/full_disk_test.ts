import { assertEquals, assertRejects } from "@std/assert";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import { newSpec, OciError, withArgs } from "../../../spec/mod.ts";
import { ContentStore, prune, UncompressedBundler, writeSpec } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, putBlobs } from "../../_support/image.ts";
import { mountTest } from "../../_support/mounting.ts";
import "../../_support/native_backend.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const LAYERS = [tar(file("a", noise(200_000, 1)), file("b", noise(200_000, 2)))];

/** A store on a separate file system. */
async function smallStore(sizeBytes: number) {
  const directory = await makeTempDir();
  const path = directory.join("disk");
  await Deno.mkdir(path);
  mountTmpfs(path, { sizeBytes });
  return {
    path,
    store: await ContentStore.open(`${path}/store`),
    async [Symbol.asyncDispose]() {
      unmountTree(path);
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Writes to a file until the disk is full. */
async function fillDisk(path: string): Promise<void> {
  using filler = await Deno.create(path);
  await assertRejects(async () => {
    for (;;) await filler.write(new Uint8Array(4096));
  });
}

mountTest("UncompressedBundler leaves nothing behind if the disk is full", async () => {
  await using disk = await smallStore(1_000_000);
  const image = await storeBuilt(disk.store, { layers: LAYERS });
  const warnings: string[] = [];
  const bundler = new UncompressedBundler(disk.store, { onWarning: (text) => warnings.push(text) });

  await assertRejects(() => bundler.bundleIn(`${disk.path}/box`, image));

  assertEquals(warnings, []);
  const names = await Array.fromAsync(Deno.readDir(disk.path), ({ name }) => name);
  assertEquals(names, ["store"]);
  assertEquals(await Array.fromAsync(Deno.readDir(`${disk.path}/store/bundles`)), []);
});

mountTest("writeSpec() names the file if the disk is full", async () => {
  await using disk = await smallStore(100_000);
  await fillDisk(`${disk.path}/filler`);
  const path = `${disk.path}/config.json`;

  const write = () => writeSpec(path, newSpec(withArgs(["/bin/true"])));

  await assertRejects(write, OciError, `Cannot write "${path}": the disk is full.`);
});

mountTest("Bundle.cleanup() removes a bundle although the disk is full", async () => {
  await using disk = await smallStore(3_000_000);
  const image = await storeBuilt(disk.store, { layers: LAYERS });
  const bundle = await new UncompressedBundler(disk.store).bundleIn(`${disk.path}/box`, image);
  await fillDisk(`${disk.path}/filler`);

  await bundle.cleanup();

  assertEquals(await Array.fromAsync(Deno.readDir(`${disk.path}/store/bundles`)), []);
  await assertRejects(() => Deno.stat(`${disk.path}/box`), Deno.errors.NotFound);
});

mountTest("ContentStore.untag() and prune() free space although the disk is full", async () => {
  await using disk = await smallStore(3_000_000);
  const { store } = disk;
  const built = buildImage({ layers: LAYERS });
  await putBlobs(store, built);
  const names = Array.from({ length: 30 }, (_, i) => `example.com/app:${i}`);
  await store.record(names.map((name) => ({ name, descriptor: built.descriptor })));
  await fillDisk(`${disk.path}/filler`);

  await store.untag(names.slice(1));
  assertEquals((await store.references()).map(({ name }) => name), names.slice(0, 1));
  await store.untag(names);

  assertEquals((await prune(store)).removed.length, 3);
});
