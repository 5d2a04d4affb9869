import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  DiffIdMismatchError,
  digestOf,
  LimitError,
  UnknownUserError,
  withUser,
} from "../../../spec/mod.ts";
import {
  BundleError,
  ContentStore,
  OverlayBundler,
  type OverlayMounter,
  overlaySupported,
  prepareLayers,
  removeBundle,
  unpackImage,
} from "../../../store/mod.ts";
import { extractOverlayLayer } from "../../../store/stages/overlay_extraction.ts";
import "../../_support/native_backend.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { testUnless } from "../../_support/skip.ts";
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
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

overlayTest("OverlayBundler hides a file of any parent of a layer", async () => {
  await using test = await makeStore();
  const remove = tar(dir("etc"), whiteout("etc/shadow"));
  const without = tar(dir("etc"), file("etc/hosts", ""));
  const withSecret = tar(dir("etc"), file("etc/shadow", "secret"));
  const bundler = new OverlayBundler(test.store);
  const first = await storeBuilt(test.store, { layers: [without, remove] });
  await using _first = await bundler.bundle(first, "first");

  const second = await storeBuilt(test.store, { layers: [withSecret, remove] });
  await using bundle = await bundler.bundle(second, "second");

  assertEquals(await Array.fromAsync(Deno.readDir(`${bundle.path}/rootfs/etc`)), []);
  // Three layers, each once, with a record.
  assertEquals((await test.list("chains")).length, 6);
});

overlayTest.each([
  { need: "an implied directory", layer: tar(file("etc/new", "1")) },
  { need: "a hard link", layer: tar(dir("bin"), hardlink("bin/also", "bin/true")) },
  { need: "a link in the way", layer: tar(file("lib/new", "1")) },
])("OverlayBundler extracts a layer with $need once for the same parents", async ({ layer }) => {
  await using test = await makeStore();
  const bundler = new OverlayBundler(test.store);
  const more = tar(dir("usr"), dir("usr/lib"), symlink("lib", "usr/lib"));
  const one = await storeBuilt(test.store, { layers: [BASE, more, layer] });
  const other = await storeBuilt(test.store, { layers: [BASE, more, tar(dir("x")), layer] });

  await using _one = await bundler.bundle(one, "one");
  await using _again = await bundler.bundle(one, "again");
  await using _other = await bundler.bundle(other, "other");

  const records = (await test.list("chains")).filter((name) => name.endsWith(".json"));
  const keys = await Promise.all(
    records.map(async (name) =>
      JSON.parse(await Deno.readTextFile(`${test.path}/chains/${name}`)).key.split(" ")[0]
    ),
  );
  assertEquals(keys.sort(), ["chain", "chain", "layer", "layer", "layer"]);
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

overlayTest("OverlayBundler mounts 500 layers", async () => {
  await using test = await makeStore();
  const layers = Array.from({ length: 500 }, (_, i) => tar(file(`f${i}`, ""), file("all", `${i}`)));
  const image = await storeBuilt(test.store, { layers, compression: "none" });

  await using bundle = await new OverlayBundler(test.store).bundle(image, "many");

  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/all`), "499");
  const entries = await Array.fromAsync(Deno.readDir(`${bundle.path}/rootfs`));
  assertEquals(entries.length, 501);
});

overlayTest("OverlayBundler rejects 501 layers and leaves nothing behind", async () => {
  await using test = await makeStore();
  const layers = Array.from({ length: 501 }, (_, i) => tar(file(`f${i}`, "")));
  const image = await storeBuilt(test.store, { layers, compression: "none" });

  await assertRejects(() => new OverlayBundler(test.store).bundle(image, "many"), LimitError);

  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
});

overlayTest("OverlayBundler bundles an image without layers", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [] });

  await using bundle = await new OverlayBundler(test.store).bundle(image, "scratch");

  assertEquals(await Array.fromAsync(Deno.readDir(`${bundle.path}/rootfs`)), []);
});

overlayTest("OverlayBundler gives the root the metadata of the top layer", async () => {
  await using test = await makeStore();
  const root = dir(".", { mode: 0o711, uid: 3, gid: 4, mtime: 1_234_567_890 });
  const image = await storeBuilt(test.store, { layers: [tar(dir(".")), tar(root), BASE] });

  await using bundle = await new OverlayBundler(test.store).bundle(image, "root");

  const { mode, uid, gid, mtime } = await Deno.stat(`${bundle.path}/rootfs`);
  assertEquals([(mode ?? 0) & 0o7777, uid, gid], [0o711, 3, 4]);
  assertEquals(mtime?.getTime(), 1_234_567_890_000);
});

overlayTest("OverlayBundler gives the root the same metadata as unpackImage()", async () => {
  await using test = await makeStore();
  const below = tar(dir(".", { mode: 0o700, uid: 1, gid: 2, mtime: 1_234_567_890 }));
  // This metadata must not be mistaken for that of a root without an entry.
  const root = tar(dir(".", { mode: 0o755, uid: 3, gid: 4, mtime: 1 }));
  const image = await storeBuilt(test.store, { layers: [below, root, BASE] });

  await unpackImage(test.store, image, test.directory.join("unpacked"));
  await using bundle = await new OverlayBundler(test.store).bundle(image, "root");

  for (const path of [`${bundle.path}/rootfs`, test.directory.join("unpacked")]) {
    const { mode, uid, gid, mtime } = await Deno.stat(path);
    assertEquals([(mode ?? 0) & 0o7777, uid, gid, mtime?.getTime()], [0o755, 3, 4, 1000]);
  }
});

overlayTest("OverlayBundler lists no whiteout that hides nothing", async () => {
  await using test = await makeStore();
  const odd = tar(dir("new"), whiteout("new/nothing"), file("new/file", ""), dir("op"));
  const top = tar(dir("op"), whiteout("op/x"), opaque("op"));
  const image = await storeBuilt(test.store, { layers: [BASE, odd, top] });

  await using bundle = await new OverlayBundler(test.store).bundle(image, "odd");

  const names = (path: string) =>
    Array.fromAsync(Deno.readDir(`${bundle.path}/rootfs/${path}`), ({ name }) => name);
  assertEquals([await names("new"), await names("op")], [["file"], []]);
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

overlayTest("prepareLayers() extracts all layers for the bundler", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE, tar(file("x", ""))] });

  const layers = await prepareLayers(test.store, image);

  // The extracted layers are used, although their blobs are gone.
  for (const { descriptor } of image.layers) {
    await Deno.remove(test.store.blobPath(descriptor.digest));
  }
  await using bundle = await new OverlayBundler(test.store).bundle(image, "x");
  assertEquals(layers.map(({ name }) => name.length), [8, 8]);
  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/secret`), "secret");
});

overlayTest.each([
  { layer: "with a file in a directory of a lower one", top: tar(file("etc/new", "1")), times: 1 },
  {
    layer: "with a whiteout in a directory of a lower one",
    top: tar(whiteout("etc/hosts")),
    times: 1,
  },
  { layer: "with new directories only", top: tar(file("srv/www/index", "1")), times: 1 },
  { layer: "with a whiteout in a missing directory", top: tar(whiteout("srv/a")), times: 2 },
  { layer: "with a file behind a link of a lower one", top: tar(file("lib/new", "1")), times: 2 },
])("prepareLayers() extracts a layer $layer $times times", async ({ top, times }) => {
  await using test = await makeStore();
  const base = tar(dir("etc", { mode: 0o750 }), file("etc/hosts", ""), symlink("lib", "etc"));
  const image = await storeBuilt(test.store, { layers: [base, top] });
  const extracted: string[] = [];

  const [, layer] = await prepareLayers(test.store, image, {
    extract: async (layer, ...rest) => {
      extracted.push(layer.diffId);
      return await extractOverlayLayer(layer, ...rest);
    },
  });

  assertEquals(extracted.filter((diffId) => diffId === image.layers[1]?.diffId).length, times);
  const { mode } = await Deno.stat(`${layer?.path}/etc`).catch(() => ({ mode: 0o750 }));
  assertEquals((mode ?? 0) % 0o10000, 0o750);
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

Deno.test("overlaySupported() returns the reason without FFI", async () => {
  await using directory = await makeTempDir();
  const module = new URL("../../../store/mod.ts", import.meta.url).href;
  const script = directory.join("supported.ts");
  await Deno.writeTextFile(
    script,
    `import { overlaySupported } from ${JSON.stringify(module)};
     console.log(JSON.stringify(await overlaySupported(${JSON.stringify(directory.path)})));`,
  );

  const { stdout } = await run(Deno.execPath(), [
    ...["run", "--no-prompt", `--config=${ROOT}/deno.json`, "--allow-read", "--allow-write"],
    script,
  ], { env: await denoEnvironment() });

  assertEquals(JSON.parse(stdout), { supported: false, reason: "it needs --allow-ffi" });
});

overlayTest("overlaySupported() returns the reason for a store on an overlay", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  await using bundle = await new OverlayBundler(test.store).bundle(image, "outer");

  const support = await overlaySupported(`${bundle.path}/rootfs/store`);

  assert(!support.supported);
  assertStringIncludes(support.reason, "is itself on an overlay file system");
});

Deno.test("overlaySupported() leaves nothing behind", async () => {
  await using test = await makeStore();

  const support = await overlaySupported(test.path);

  assert(support.supported || support.reason.length > 0);
  assertEquals([test.mounts(), await Array.fromAsync(Deno.readDir(test.path))], [[], []]);
});

overlayTest("removeBundle() removes a bundle that another process made", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const { path } = await new OverlayBundler(test.store).bundle(image, "x");

  assertEquals(await removeBundle(test.path, path), true);

  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
  assertEquals(await removeBundle(test.path, path), false);
});
