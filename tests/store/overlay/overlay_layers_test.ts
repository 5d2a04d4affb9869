import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExtractError } from "../../../layer/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import { OverlayBundler, prepareLayers, unpackImage } from "../../../store/mod.ts";
import { extractOverlayLayer } from "../../../store/threads/overlay_extraction.ts";
import "../../_support/native_backend.ts";
import { testUnless } from "../../_support/skip.ts";
import { device, dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import { readTree } from "../../_support/tree.ts";
import { BASE, makeStore, overlayReason } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const overlayTest = testUnless(await overlayReason());

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

overlayTest.each([
  { what: "a file", entries: [file("a", "x"), whiteout("a/gone")] },
  { what: "a link to a file", entries: [file("a", "x"), symlink("l", "a"), whiteout("l/gone")] },
])("OverlayBundler ignores a whiteout below $what of the base", async ({ entries }) => {
  await using test = await makeStore();
  const layer = tar(...entries, hardlink("b", "a"), whiteout("hidden"));
  const bundler = new OverlayBundler(test.store);
  const image = await storeBuilt(test.store, { layers: [layer] });
  const over = await storeBuilt(test.store, {
    layers: [tar(dir("a"), file("a/gone", ""), dir("l"), file("hidden", "")), layer],
  });

  await using bundle = await bundler.bundle(image, "base");
  await using other = await bundler.bundle(over, "over");

  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/b`), "x");
  assertEquals(await Deno.readTextFile(`${other.path}/rootfs/b`), "x");
  await assertRejects(() => Deno.lstat(`${other.path}/rootfs/hidden`), Deno.errors.NotFound);
});

overlayTest.each([
  { what: "a whiteout", entry: whiteout("a/gone") },
  { what: "an opaque whiteout", entry: opaque("a") },
])("OverlayBundler rejects $what behind a loop of links in the base", async ({ entry }) => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [tar(symlink("a", "a"), entry)] });

  await assertRejects(
    () => new OverlayBundler(test.store).bundle(image, "loop"),
    ExtractError,
    "too many symbolic links",
  );
});

overlayTest("OverlayBundler takes no device of the base for a whiteout", async () => {
  await using test = await makeStore();
  const zero = [dir("d"), device("d/zero", "character", 0, 0), whiteout("no/where")];
  const image = await storeBuilt(test.store, { layers: [tar(...zero)] });
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);

  await using bundle = await new OverlayBundler(test.store, { onWarning }).bundle(image, "zero");

  const names = await Array.fromAsync(Deno.readDir(`${bundle.path}/rootfs`), ({ name }) => name);
  assertEquals(names, ["d"]);
  assertEquals((await Deno.lstat(`${bundle.path}/rootfs/d/zero`)).isFile, true);
  assertStringIncludes(warnings.join(), "would interpret it as a whiteout");
});

overlayTest(
  "OverlayBundler writes no attribute of an image that an overlay interprets",
  async () => {
    await using test = await makeStore();
    const overlay = { xattrs: { "user.overlay.opaque": "y", "trusted.overlay.redirect": "/d" } };
    const base = tar(dir("d"), file("f"), symlink("l", "d"));
    // An entry behind a link requires the layers below.
    const layers = [base, tar(file("l/g", "", overlay)), tar(dir("e", overlay))];
    const image = await storeBuilt(test.store, { layers });
    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);

    await using _ = await new OverlayBundler(test.store, { onWarning }).bundle(image, "marked");

    assertEquals(warnings.filter((text) => text.includes("would interpret it")).length, 2);
    for (const [path, { xattrs }] of readTree(`${test.store.path}/chains`)) {
      assertEquals(
        Object.keys(xattrs).filter((name) => /overlay\.(opaque|redirect)/.test(name)),
        [],
        path,
      );
    }
  },
);

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
