import { assert, assertEquals, assertRejects } from "@std/assert";
import { ContentStore, fsck, prune } from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { posixTest } from "../../_support/skip.ts";
import { file, tar } from "../../_support/tar.ts";
import { fakeLayers, makeUnpackBox } from "../unpacking/_unpack_box.ts";
import { countReads, entryNames, indexed, listed } from "./_listing.ts";

Deno.test.each([
  { name: "is cut", change: (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 9) },
  { name: "is empty", change: () => new Uint8Array() },
  {
    name: "has a flipped bit",
    change: (bytes: Uint8Array) => bytes.map((byte, i) => i === 300 ? byte ^ 1 : byte),
  },
  {
    name: "is of another version",
    change: (bytes: Uint8Array) => bytes.map((byte, i) => i === 12 ? byte + 1 : byte),
  },
])("ImageFiles replaces an index that $name", async ({ change }) => {
  await using box = await makeUnpackBox();
  const { layers, path } = await indexed(box);
  const intact = await Deno.readFile(path);
  const expected = await listed(box.store, layers);
  await Deno.writeFile(path, change(intact));

  const actual = await listed(box.store, layers);

  assertEquals(actual, expected);
  assertEquals(await Deno.readFile(path), intact);
});

posixTest("ImageFiles does not trust a symlink in place of an index", async () => {
  await using box = await makeUnpackBox();
  const { layers, path } = await indexed(box);
  const other = fakeLayers([tar(file("planted", "x"))]);
  const elsewhere = box.temp.join("elsewhere");
  await Deno.rename(path, elsewhere);
  await Deno.symlink(elsewhere, path);
  const counter = countReads(box.store);

  await listed(box.store, layers);
  await listed(box.store, other);

  assertEquals(counter.reads, 2);
  assert((await Deno.lstat(path)).isFile);
});

Deno.test("ImageFiles uses no index of a store that it only reads", async () => {
  await using box = await makeUnpackBox();
  const { layers, path } = await indexed(box);
  const bytes = await Deno.readFile(path);
  await Deno.remove(path);
  const foreign = await ContentStore.open(box.store.path, { foreign: true });

  await listed(foreign, layers);
  const isMade = (await entryNames(box)).length > 0;
  await Deno.writeFile(path, bytes);
  const counter = countReads(foreign);
  await listed(foreign, layers);

  assertEquals(isMade, false);
  assert(counter.reads > 0);
});

Deno.test("ImageFiles rejects a DiffID that differs from that of the index", async () => {
  await using box = await makeUnpackBox();
  const { layers } = await indexed(box);
  const lying = layers.map((layer) => ({ ...layer, diffId: `sha256:${"0".repeat(64)}` as const }));

  await assertRejects(() => listed(box.store, lying), Error, "sha256:0000");
});

Deno.test("prune() removes the index of a layer with the layer", async () => {
  await using box = await makeUnpackBox();
  await indexed(box);
  await Deno.writeTextFile(box.temp.join("store/entries/stray"), "x");

  const dry = await prune(box.store, { dryRun: true });
  const pruned = await prune(box.store);

  assertEquals(pruned.removed, dry.removed);
  assertEquals(pruned.removed.map(({ kind }) => kind), ["blob", "layer", "layer"]);
  assertEquals(await entryNames(box), []);
});

Deno.test("fsck() finds and removes damaged indexes, and indexes without a layer", async () => {
  await using box = await makeUnpackBox();
  const { path } = await indexed(box);
  const bytes = await Deno.readFile(path);
  const later = bytes.map((byte, i) => i === 12 ? byte + 1 : byte);
  const healthy = await fsck(box.store);
  await Deno.writeFile(path, later);
  const ofLater = await fsck(box.store);
  await Deno.writeFile(path, bytes.subarray(0, 400));
  const missing = `${path.slice(0, -2)}00`;
  await Deno.writeFile(missing, bytes);

  const found = await fsck(box.store);
  const repaired = await fsck(box.store, { repair: true });

  assertEquals([healthy.findings, ofLater.findings], [[], []]);
  assertEquals(found.findings.map(({ kind }) => kind), ["layer", "layer"]);
  assertEquals(repaired.findings.map(({ repaired }) => repaired), [true, true]);
  assertEquals((await fsck(box.store)).findings, []);
});

Deno.test("fsck() finds a sparse index of 1 TiB", async () => {
  await using box = await makeUnpackBox();
  const { path } = await indexed(box);
  await Deno.truncate(path, 2 ** 40);

  const { findings } = await fsck(box.store);

  assertEquals(findings.map(({ kind, subject }) => [kind, subject]), [["layer", path]]);
});
