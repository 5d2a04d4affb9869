/** Mounts of the user stay. Mounts of a bundle are removed with it, even after a reboot. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readMounts } from "../../../layer/linux/mount_table.ts";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import {
  BundleError,
  type Image,
  listBundles,
  OverlayBundler,
  removeBundle,
  removeDeadBundles,
  UncompressedBundler,
} from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { run } from "../../_support/process.ts";
import { testUnless } from "../../_support/skip.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";
import { storeBuilt } from "../images/_stored_image.ts";
import { BASE, changeRecord, makeStore, overlayReason, type TestStore } from "./_bundling.ts";

const mountTest = testUnless(await overlayReason());

const BUNDLERS = [OverlayBundler, UncompressedBundler];

async function makeBundle(test: TestStore, path: string, image?: Image) {
  const bundled = image ?? await storeBuilt(test.store, { layers: [BASE] });
  return await new OverlayBundler(test.store).bundleIn(path, bundled);
}

for (const Bundler of BUNDLERS) {
  mountTest(`${Bundler.name} keeps the user's mount at the directory itself`, async () => {
    await using test = await makeStore();
    const image = await storeBuilt(test.store, { layers: [BASE] });
    const path = test.directory.join("mine");
    await Deno.mkdir(path);
    mountTmpfs(path);
    const bundler = new Bundler(test.store);
    await bundler.bundleIn(path, image);
    // Simulates a killed bundler. The next one removes its files and nothing else.
    await changeRecord(test.path, path, { phase: "making" });

    await bundler.bundleIn(path, image);
    await removeBundle(test.path, path);

    assertEquals(test.mounts(), [path]);
    assertEquals(await Array.fromAsync(Deno.readDir(path)), []);
    assertEquals(await test.list("bundles"), []);
  });
}

mountTest(
  "removeBundle() rejects a bundle with a mount of the user, and names the mount",
  async () => {
    await using test = await makeStore();
    const path = test.directory.join("box");
    await makeBundle(test, path);
    const mine = `${path}/rootfs/etc`;
    mountTmpfs(mine);
    await Deno.writeTextFile(`${mine}/file`, "mine");

    const error = await assertRejects(() => removeBundle(test.path, path), BundleError);

    assertStringIncludes(error.message, `"${mine}" is still mounted. Unmount it first`);
    assertEquals(await Deno.readTextFile(`${mine}/file`), "mine");
    assertEquals((await listBundles(test.path)).map(({ condition }) => condition), ["kept"]);
    assertEquals(test.mounts(), [`${path}/rootfs`, mine]);
    unmountTree(mine);
    assertEquals(await removeBundle(test.path, path), true);
    assertEquals(test.mounts(), []);
  },
);

mountTest("removeBundle() rejects a bundle whose mount is covered by the user's", async () => {
  await using test = await makeStore();
  const path = test.directory.join("box");
  await makeBundle(test, path);
  mountTmpfs(`${path}/rootfs`);

  await assertRejects(() => removeBundle(test.path, path), BundleError, "is still mounted");

  assertEquals(test.mounts(), [`${path}/rootfs`, `${path}/rootfs`]);
});

mountTest("removeDeadBundles() keeps a mount of the user, and names it", async () => {
  await using test = await makeStore();
  const path = test.directory.join("box");
  await makeBundle(test, path);
  await changeRecord(test.path, path, { isTemporary: true });
  const mine = `${path}/rootfs/etc`;
  mountTmpfs(mine);

  const { removed, left } = await removeDeadBundles(test.path);

  assertEquals([removed, left.length, left[0]?.path], [[], 1, path]);
  assertStringIncludes(left[0]?.reason ?? "", `"${mine}" is still mounted`);
  assertEquals(test.mounts(), [`${path}/rootfs`, mine]);
});

mountTest("removeBundle() removes a bundle whose mounts a reboot has ended", async () => {
  await using test = await makeStore();
  const path = test.directory.join("box");
  await makeBundle(test, path);
  unmountTree(path);

  assertEquals((await listBundles(test.path)).map(({ condition }) => condition), ["kept"]);
  assertEquals(await removeBundle(test.path, path), true);

  assertEquals(await test.list("bundles"), []);
});

mountTest("removeBundle() keeps a later mount in place of the bundle's own", async () => {
  await using test = await makeStore();
  const path = test.directory.join("box");
  await makeBundle(test, path);
  unmountTree(path);
  mountTmpfs(`${path}/rootfs`, { source: "mine" });

  await assertRejects(() => removeBundle(test.path, path), BundleError, "is still mounted");

  assertEquals(readMounts().filter(({ source }) => source === "mine").length, 1);
});

mountTest("removeBundle() recognizes a bundle by its mount if its mark is missing", async () => {
  await using test = await makeStore();
  const path = test.directory.join("box");
  await makeBundle(test, path);
  // Like "rm -r", which cannot remove a mount point.
  for (const name of [".oci-bundle", "config.json"]) await Deno.remove(`${path}/${name}`);

  assertEquals(await removeBundle(test.path, path), true);

  assertEquals([test.mounts(), await test.list("bundles")], [[], []]);
});

mountTest("a bundle's scratch memory is unmounted with it", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const path = test.directory.join("box");
  await using bundle = await new OverlayBundler(test.store, { upper: { kind: "tmpfs" } })
    .bundleIn(path, image);
  // Simulates a kill between the two mounts.
  unmountTree(path);
  await Deno.mkdir(`${path}/scratch`);
  const id = await Deno.readLink(`${path}/.oci-bundle`);
  mountTmpfs(`${path}/scratch`, { source: `oci-${id}` });
  await changeRecord(test.path, path, { phase: "making" });

  assertEquals((await removeDeadBundles(test.path)).removed, [bundle.path]);

  assertEquals([test.mounts(), await test.list("bundles")], [[], []]);
});

mountTest("listBundles() lists the bundles of a read-only store", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  await new UncompressedBundler(test.store).bundle(image, "box");
  await run("mount", ["--bind", test.path, test.path]);
  await run("mount", ["-o", "remount,bind,ro", test.path]);

  const [bundle] = await listBundles(test.path);

  assertEquals([bundle?.condition, bundle?.reason], ["unknown", "the file system is read-only"]);
});
