import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { DiffIdMismatchError, digestOf, UnknownUserError, withUser } from "../../../spec/mod.ts";
import {
  BundleError,
  ContentStore,
  OverlayBundler,
  type OverlayMounter,
  removeBundle,
} from "../../../store/mod.ts";
import { aclsIn, makeInherited } from "../../_support/acl.ts";
import "../../_support/native_backend.ts";
import { testUnless } from "../../_support/skip.ts";
import { dir, file, symlink, tar, whiteout } from "../../_support/tar.ts";
import { BASE, changeRecord, makeStore, overlayReason } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const overlayTest = testUnless(await overlayReason());

overlayTest("OverlayBundler makes a bundle, and removes it", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE, tar(whiteout("secret"))] });

  const bundle = await new OverlayBundler(test.store).bundle(image, "web-1");

  assertEquals(bundle.path, `${test.path}/containers/web-1`);
  assertEquals([bundle.kind, bundle.image], ["overlay", image.digest]);
  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/bin/true`), "#!");
  await assertRejects(() => Deno.stat(`${bundle.path}/rootfs/secret`), Deno.errors.NotFound);
  const config = JSON.parse(await Deno.readTextFile(`${bundle.path}/config.json`));
  assertEquals(config.root, { path: "rootfs", readonly: false });
  assertEquals(config.process.args, ["/bin/true"]);
  assertEquals(test.mounts(), [`${bundle.path}/rootfs`]);
  await bundle.cleanup();
  await bundle.cleanup();
  assertEquals(test.mounts(), []);
  assertEquals(await test.list("containers"), []);
});

overlayTest("OverlayBundler keeps written files out of the layers", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new OverlayBundler(test.store);
  await using first = await bundler.bundle(image, "first");
  await using second = await bundler.bundle(image, "second");

  await Deno.writeTextFile(`${first.path}/rootfs/secret`, "changed");
  await Deno.remove(`${first.path}/rootfs/etc`, { recursive: true });

  assertEquals(await Deno.readTextFile(`${second.path}/rootfs/secret`), "secret");
  assertEquals((await Deno.stat(`${second.path}/rootfs/etc/passwd`)).isFile, true);
});

Deno.test.each([
  { id: "../../x" },
  { id: "" },
  { id: ".hidden" },
  { id: "a/b" },
  { id: "a".repeat(129) },
  { id: "a\nb" },
])("OverlayBundler rejects the ID $id", async ({ id }) => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });

  await assertRejects(
    () => new OverlayBundler(test.store).bundle(image, id),
    RangeError,
    "an ID has 1 to 128",
  );
});

overlayTest("OverlayBundler rejects an ID that is in use", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new OverlayBundler(test.store);
  await using bundle = await bundler.bundle(image, "web");
  await Deno.writeTextFile(`${bundle.path}/rootfs/mine`, "mine");

  const error = await assertRejects(() => bundler.bundle(image, "web"), BundleError);

  assertMatch(error.message, /there is one already\. Choose another name/);
  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/mine`), "mine");
});

overlayTest("OverlayBundler gives an ID to one of many concurrent callers", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new OverlayBundler(test.store);

  const results = await Promise.allSettled(
    Array.from({ length: 8 }, () => bundler.bundle(image, "web")),
  );

  const made = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
  assertEquals(made.length, 1);
  for (const result of results) {
    if (result.status === "rejected") assertInstanceOf(result.reason, BundleError);
  }
  await made[0]?.cleanup();
  assertEquals(test.mounts(), []);
});

overlayTest("OverlayBundler makes two hundred bundles at once", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE, tar(file("top", "top"))] });
  const bundler = new OverlayBundler(test.store);

  const bundles = await Promise.all(
    Array.from({ length: 200 }, (_, i) => bundler.bundle(image, `b${i}`)),
  );

  assertEquals(test.mounts().length, 200);
  assertEquals((await test.list("chains")).length, 4);
  for (const { path } of bundles) {
    assertEquals(await Deno.readTextFile(`${path}/rootfs/top`), "top");
  }
  await Promise.all(bundles.map((bundle) => bundle.cleanup()));
  assertEquals(test.mounts(), []);
  assertEquals(await test.list("containers"), []);
});

overlayTest("OverlayBundler works in a store behind a symlink", async () => {
  await using test = await makeStore();
  const layers = [BASE, tar(file("etc/implied", "1")), BASE];
  await storeBuilt(test.store, { layers });
  const link = test.directory.join("link, with: odd \\ name");
  await Deno.symlink(test.path, link);
  const store = await ContentStore.open(link);
  const image = await storeBuilt(store, { layers });

  const bundle = await new OverlayBundler(store).bundle(image, "x");

  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/etc/implied`), "1");
  assertEquals(test.mounts(), [`${test.path}/containers/x/rootfs`]);
  await bundle.cleanup();
  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
});

overlayTest("OverlayBundler limits the bytes written to memory", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new OverlayBundler(test.store, { upper: { kind: "tmpfs", sizeBytes: 65_536 } });

  await using bundle = await bundler.bundle(image, "small");

  await assertRejects(() => Deno.writeFile(`${bundle.path}/rootfs/large`, new Uint8Array(131_072)));
});

overlayTest("OverlayBundler leaves nothing behind if it fails at the end", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new OverlayBundler(test.store);

  await assertRejects(() => bundler.bundle(image, "x", withUser("nobody")), UnknownUserError);

  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
});

overlayTest("OverlayBundler leaves nothing behind if a mount fails", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const mounter: OverlayMounter = {
    kind: "overlay",
    namespace: "trusted",
    upper: "tmpfs",
    mount: () => Promise.reject(new Deno.errors.Busy("no")),
  };

  const making = new OverlayBundler(test.store, { mounter }).bundle(image, "x");

  await assertRejects(() => making, Deno.errors.Busy);
  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
});

overlayTest("OverlayBundler keeps an existing empty directory if it fails", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const path = test.directory.join("mine");
  await Deno.mkdir(path);
  const bundler = new OverlayBundler(test.store);

  await assertRejects(() => bundler.bundleIn(path, image, withUser("nobody")));

  assertEquals(await Array.fromAsync(Deno.readDir(path)), []);
});

overlayTest("OverlayBundler keeps nothing of a layer with a wrong DiffID", async () => {
  await using test = await makeStore();
  const lie = { tar: tar(file("evil", "")), diffId: digestOf(BASE) };
  const image = await storeBuilt(test.store, { layers: [lie] });
  const bundler = new OverlayBundler(test.store);

  await assertRejects(() => bundler.bundle(image, "x"), DiffIdMismatchError);

  assertEquals(await test.list("chains"), []);
  const honest = await storeBuilt(test.store, { layers: [BASE] });
  await using bundle = await bundler.bundle(honest, "x");
  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/secret`), "secret");
});

overlayTest("OverlayBundler detaches a bundle that is in use", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const bundle = await new OverlayBundler(test.store, { onWarning }).bundle(image, "busy");
  using _file = await Deno.open(`${bundle.path}/rootfs/secret`);

  await bundle.cleanup();

  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0] ?? "", "still in use");
});

overlayTest("OverlayBundler reads users only inside the root", async () => {
  await using test = await makeStore();
  await Deno.writeTextFile(test.directory.join("passwd"), "host:x:7:7::/:/bin/sh\n");
  const layer = tar(dir("etc"), symlink("etc/passwd", test.directory.join("passwd")));
  const image = await storeBuilt(test.store, { layers: [layer] });
  const bundler = new OverlayBundler(test.store);

  await assertRejects(() => bundler.bundle(image, "x", withUser("host")), UnknownUserError);
});

overlayTest("OverlayBundler makes the working directory inside the root", async () => {
  await using test = await makeStore();
  const outside = test.directory.join("outside");
  const layer = tar(symlink("srv", outside), symlink("up", "../../../../../../.."));
  const image = await storeBuilt(test.store, {
    layers: [layer],
    config: { Cmd: ["/x"], WorkingDir: "/up/srv/app/data" },
  });

  await using bundle = await new OverlayBundler(test.store).bundle(image, "x");

  await assertRejects(() => Deno.stat(outside), Deno.errors.NotFound);
  const { isDirectory, mode } = await Deno.stat(`${bundle.path}/rootfs${outside}/app/data`);
  assertEquals([isDirectory, (mode ?? 0) & 0o7777], [true, 0o755]);
});

overlayTest("OverlayBundler rejects a file in place of a directory", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, {
    layers: [BASE],
    config: { Cmd: ["/x"], WorkingDir: "/secret/app" },
  });

  const making = new OverlayBundler(test.store).bundle(image, "x");

  await assertRejects(() => making, BundleError, 'Cannot run in "/secret/app"');
  assertEquals(await test.list("containers"), []);
});

overlayTest("OverlayBundler removes leftovers of a killed process", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const left = `${test.path}/containers/web`;
  const bundler = new OverlayBundler(test.store);
  const made = await bundler.bundle(image, "web");
  // Simulates a kill between the mount and the configuration.
  await changeRecord(test.path, made.path, { phase: "making" });
  assertEquals(test.mounts().length, 1);

  await using bundle = await bundler.bundle(image, "web");

  assertEquals(test.mounts(), [`${left}/rootfs`]);
  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/secret`), "secret");
});

overlayTest("removeBundle() removes a bundle that another process made", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const { path } = await new OverlayBundler(test.store).bundle(image, "x");

  assertEquals(await removeBundle(test.path, path), true);

  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
  assertEquals(await removeBundle(test.path, path), false);
});

overlayTest(
  "OverlayBundler takes no access control list from the directory of a store",
  async () => {
    await using test = await makeStore();
    const image = await storeBuilt(test.store, { layers: [BASE] });
    for (const name of ["chains", "containers"]) makeInherited(`${test.path}/${name}`);

    await using bundle = await new OverlayBundler(test.store).bundle(image, "a");
    await Deno.writeTextFile(`${bundle.path}/rootfs/new`, "");

    assertEquals(aclsIn(`${bundle.path}/rootfs`), []);
  },
);
