import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { DiffIdMismatchError, digestOf, withArgs } from "../../../spec/mod.ts";
import { tarballsOf } from "../../../store/content/tarballs.ts";
import { UncompressedBundler } from "../../../store/mod.ts";
import { aclsIn, makeInherited } from "../../_support/acl.ts";
import "../../_support/native_backend.ts";
import { linuxTest } from "../../_support/skip.ts";
import { dir, file, tar, whiteout } from "../../_support/tar.ts";
import { BASE, makeStore } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const TOP = tar(dir("etc"), file("etc/motd", "hello"), whiteout("secret"));

Deno.test("UncompressedBundler makes a bundle, and removes it", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE, TOP] });

  const bundle = await new UncompressedBundler(test.store).bundle(image, "a", withArgs(["x"]));

  assertEquals([bundle.kind, bundle.path], ["uncompressed", `${test.path}/containers/a`]);
  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/etc/motd`), "hello");
  await assertRejects(() => Deno.stat(`${bundle.path}/rootfs/secret`), Deno.errors.NotFound);
  const config = JSON.parse(await Deno.readTextFile(`${bundle.path}/config.json`));
  assertEquals(config.process.args, ["x"]);
  await bundle.cleanup();
  assertEquals(await test.list("containers"), []);
});

Deno.test("UncompressedBundler extracts a root file system for each bundle", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE, TOP] });
  const bundler = new UncompressedBundler(test.store);

  const bundles = await Promise.all(
    Array.from({ length: 20 }, (_, i) => bundler.bundle(image, `b${i}`)),
  );

  await Deno.writeTextFile(`${bundles[0]?.path}/rootfs/etc/motd`, "changed");
  for (const { path } of bundles.slice(1)) {
    assertEquals(await Deno.readTextFile(`${path}/rootfs/etc/motd`), "hello");
  }
  assertEquals((await test.list("tarballs/sha256")).length, 2);
  await Promise.all(bundles.map((bundle) => bundle.cleanup()));
  assertEquals(await test.list("containers"), []);
});

Deno.test("UncompressedBundler keeps layers by their DiffID", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });

  await using _bundle = await new UncompressedBundler(test.store).bundle(image, "a");

  const path = tarballsOf(test).pathOf(digestOf(BASE));
  assertEquals(await Deno.readFile(path), BASE as Uint8Array<ArrayBuffer>);
});

Deno.test("UncompressedBundler keeps no second copy of an uncompressed layer", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE], compression: "none" });

  await using _bundle = await new UncompressedBundler(test.store).bundle(image, "a");

  assertEquals(await test.list("tarballs/sha256"), []);
});

Deno.test("UncompressedBundler replaces a tarball that has changed", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new UncompressedBundler(test.store);
  await (await bundler.bundle(image, "a")).cleanup();
  const path = tarballsOf(test).pathOf(digestOf(BASE));
  await Deno.writeFile(path, new Uint8Array(BASE.length));

  await using bundle = await bundler.bundle(image, "a");

  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/secret`), "secret");
  assertEquals(digestOf(await Deno.readFile(path)), digestOf(BASE));
});

Deno.test("UncompressedBundler keeps nothing of a layer with a wrong DiffID", async () => {
  await using test = await makeStore();
  const lie = { tar: tar(file("evil", "")), diffId: digestOf(BASE) };
  const image = await storeBuilt(test.store, { layers: [lie] });

  const making = new UncompressedBundler(test.store).bundle(image, "a");

  await assertRejects(() => making, DiffIdMismatchError);
  assertEquals([await test.list("tarballs/sha256"), await test.list("containers")], [[], []]);
});

Deno.test("UncompressedBundler stops on abort", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const reason = new Error("enough");
  const bundler = new UncompressedBundler(test.store, { signal: AbortSignal.abort(reason) });

  const error = await assertRejects(() => bundler.bundle(image, "a"));

  assertEquals(error, reason);
  assertEquals(await test.list("containers"), []);
});

Deno.test("UncompressedBundler removes inaccessible directories", async () => {
  await using test = await makeStore();
  const closed = tar(dir("closed", { mode: 0 }), dir("closed/sub", { mode: 0o555 }));
  const image = await storeBuilt(test.store, { layers: [closed] });
  const bundle = await new UncompressedBundler(test.store).bundle(image, "a");
  assertNotEquals(await test.list("containers"), []);

  await bundle.cleanup();

  assertEquals(await test.list("containers"), []);
});

linuxTest("UncompressedBundler takes no access control list from its directory", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE, TOP] });
  makeInherited(`${test.path}/containers`);

  await using bundle = await new UncompressedBundler(test.store).bundle(image, "a");

  assertEquals(aclsIn(`${bundle.path}/rootfs`), []);
});
