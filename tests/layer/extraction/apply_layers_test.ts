import { assert, assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { applyLayers, StackingExtractor } from "../../../layer/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import "../../_support/native_backend.ts";
import { rootTest } from "../../_support/skip.ts";
import { dir, file, noise, tar, whiteout } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const SQUASH = { ownership: "squash" } as const;

Deno.test("applyLayers() limits the bytes of all layers together", async () => {
  await using temp = await makeTempDir();
  const layers = fromLayers([tar(file("a", noise(3000))), tar(file("b", noise(3000)))]);
  const size = layers.reduce((total, { descriptor }) => total + descriptor.size, 0);

  await applyLayers(layers, temp.join("enough"), { ...SQUASH, maxBytes: size });
  await assertRejects(
    () => applyLayers(layers, temp.join("little"), { ...SQUASH, maxBytes: size - 1 }),
    LimitError,
  );

  assertEquals(await exists(temp.join("enough", "b")), true);
  assertEquals(await exists(temp.join("little")), false);
});

Deno.test("applyLayers() adds up the reports of all layers", async () => {
  await using temp = await makeTempDir();
  const layers = fromLayers([
    tar(file("a", "xyz"), dir("d")),
    tar(whiteout("a"), file("d/f", "12"), file("new/f", "3")),
  ]);

  const report = await applyLayers(layers, temp.path, SQUASH);

  assertEquals([report.entries, report.bytes, report.skippedCount], [5, 6, 0]);
  assertEquals(report.impliedDirectories, ["new"]);
});

Deno.test("applyLayers() opens a layer only after the one below it is extracted", async () => {
  await using temp = await makeTempDir();
  const order: string[] = [];
  const layers = fromLayers([tar(file("a", "1")), tar(file("b", "2"))]).map((layer, i) => ({
    ...layer,
    compressed: async () => {
      order.push(`open ${i}, a ${await exists(temp.join("a"))}`);
      return await layer.compressed();
    },
  }));

  await applyLayers(layers, temp.path, SQUASH);

  assertEquals(order, ["open 0, a false", "open 1, a true"]);
});

Deno.test("StackingExtractor rejects two layers at once", async () => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path);
  const extractor = new StackingExtractor(tree, SQUASH);
  const [layer] = fromLayers([tar(file("a", "1"))]);
  assert(layer !== undefined);

  const first = extractor.extract(layer);
  await assertRejects(() => extractor.extract(layer), TypeError, "await the first");
  await first;

  assertEquals(extractor.report().entries, 1);
});

rootTest("applyLayers() gives a root that it creates to the mapped root", async () => {
  await using temp = await makeTempDir();
  const ownership = {
    kind: "map",
    uids: [{ containerId: 0, hostId: 1000, size: 2 }],
    gids: [{ containerId: 0, hostId: 2000, size: 2 }],
  } as const;

  await applyLayers(fromLayers([tar(file("f"))]), temp.join("a/new"), { ownership });
  await applyLayers(fromLayers([tar(file("f"))]), temp.path, { ownership });

  const owners = ["", "a", "a/new"].map((path) => Deno.lstatSync(temp.join(path)))
    .map(({ uid, gid }) => [uid, gid]);
  assertEquals(owners, [[0, 0], [0, 0], [1000, 2000]]);
});
