import { assert, assertEquals, assertRejects } from "@std/assert";
import { lockLayers } from "../../../store/bundles/layer_lock.ts";
import {
  OverlayBundler,
  prepareLayers,
  pruneLayers,
  removeBundle,
  UncompressedBundler,
} from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { testUnless } from "../../_support/skip.ts";
import { dir, file, tar } from "../../_support/tar.ts";
import { BASE, makeStore, overlayReason } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const overlayTest = testUnless(await overlayReason());
/** Needs its parents, because it does not describe `etc`. */
const TOP = tar(file("etc/top", "top"));

overlayTest("pruneLayers() keeps the layers of images", async () => {
  await using test = await makeStore();
  const kept = await storeBuilt(test.store, { layers: [BASE, TOP] });
  const gone = await storeBuilt(test.store, { layers: [tar(file("x", "gone")), TOP] });
  const keptNames = (await prepareLayers(test.store, kept)).map(({ name }) => name);
  const goneNames = (await prepareLayers(test.store, gone)).map(({ name }) => name);

  const dry = await pruneLayers(test.store, [kept], { dryRun: true });
  const { removed, bytes } = await pruneLayers(test.store, [kept]);

  assertEquals(removed.length, 4);
  assertEquals([dry.removed, dry.bytes], [removed, bytes]);
  assert(bytes > 0);
  const left = await test.list("chains");
  assertEquals(left, keptNames.flatMap((name) => [name, `${name}.json`]).sort());
  for (const name of goneNames) assert(removed.includes(`${test.path}/chains/${name}`));
});

overlayTest("pruneLayers() keeps the layers of bundles, wherever they are", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE, TOP] });
  const path = test.directory.join("elsewhere");
  const bundle = await new OverlayBundler(test.store).bundleIn(path, image);

  assertEquals((await pruneLayers(test.store, [])).removed, []);

  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/etc/top`), "top");
  await removeBundle(test.path, path);
  assertEquals((await pruneLayers(test.store, [])).removed.length, 4);
  assertEquals(await test.list("chains"), []);
});

overlayTest("pruneLayers() counts files with long paths and names that are not UTF-8", async () => {
  await using test = await makeStore();
  const deep = Array.from({ length: 16 }, () => "d".repeat(250));
  const parents = deep.map((_, i) => dir(deep.slice(0, i + 1).join("/")));
  const layer = tar(
    ...parents,
    file(`${deep.join("/")}/f`, "123"),
    file(Uint8Array.of(0xff), "45"),
  );
  await prepareLayers(test.store, await storeBuilt(test.store, { layers: [layer] }));

  const { items } = await pruneLayers(test.store, []);

  assertEquals(items.map(({ bytes }) => bytes)[0], 5);
  assertEquals(await test.list("chains"), []);
});

Deno.test("pruneLayers() removes a link, but not its target", async () => {
  await using test = await makeStore();
  const outside = test.directory.join("outside");
  await Deno.mkdir(outside);
  await Deno.writeTextFile(`${outside}/file`, "mine");
  await Deno.mkdir(`${test.path}/chains`, { recursive: true });
  await Deno.symlink(outside, `${test.path}/chains/abcdefgh`);

  await pruneLayers(test.store, []);

  assertEquals(await test.list("chains"), []);
  assertEquals(await Deno.readTextFile(`${outside}/file`), "mine");
});

Deno.test("pruneLayers() removes uncompressed layers", async () => {
  await using test = await makeStore();
  const kept = await storeBuilt(test.store, { layers: [BASE] });
  const gone = await storeBuilt(test.store, { layers: [TOP] });
  for (const [id, image] of [["a", kept], ["b", gone]] as const) {
    await (await new UncompressedBundler(test.store).bundle(image, id)).cleanup();
  }

  const { removed, bytes } = await pruneLayers(test.store, [kept]);

  assertEquals([removed.length, bytes], [1, TOP.length]);
  assertEquals((await test.list("tarballs/sha256")).length, 1);
});

Deno.test("pruneLayers() removes leftovers of killed processes", async () => {
  await using test = await makeStore();
  await Deno.mkdir(`${test.path}/chains/abcdefgh.new/etc`, { recursive: true });
  await Deno.mkdir(`${test.path}/chains/abcdefgh.new.work`);
  await Deno.mkdir(`${test.path}/chains/bcdefghi`);
  await Deno.writeTextFile(`${test.path}/chains/cdefghij.json`, '{"key":"layer sha2');

  await pruneLayers(test.store, []);

  assertEquals(await test.list("chains"), []);
});

Deno.test("pruneLayers() waits for processes that use layers", async () => {
  await using test = await makeStore();
  await Deno.mkdir(`${test.path}/chains/bcdefghi`, { recursive: true });
  let isDone = false;
  const lock = await lockLayers(test.store, "use");
  (await lockLayers(test.store, "use"))[Symbol.dispose]();

  const pruning = pruneLayers(test.store, []).then(() => isDone = true);

  assertEquals((await test.list("chains")).length, 1);
  assertEquals(isDone, false);
  lock[Symbol.dispose]();
  await pruning;
  assertEquals(await test.list("chains"), []);
});

Deno.test("pruneLayers() removes nothing if the age is not a number", async () => {
  await using test = await makeStore();
  await Deno.mkdir(`${test.path}/chains/bcdefghi`, { recursive: true });

  await assertRejects(() => pruneLayers(test.store, [], { olderThanMs: NaN }), RangeError);

  assertEquals(await test.list("chains"), ["bcdefghi"]);
});
