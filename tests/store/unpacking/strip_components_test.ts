import { assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { exportImage, unpackImage, type UnpackImageOptions } from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { peerTest, runPeer } from "../../_support/peers.ts";
import { dir, file, hardlink, symlink, tar, whiteout } from "../../_support/tar.ts";
import { describeOwnerless, describeTree, readTree } from "../../_support/tree.ts";
import { type LayerStack, NAMED_STACKS, randomStack } from "../_layer_stacks.ts";
import { fakeLayers, imageOf, makeUnpackBox } from "./_unpack_box.ts";

/** Unpacks layers, and describes the tree. */
async function unpacked(
  layers: readonly Uint8Array[],
  options: UnpackImageOptions,
): Promise<Readonly<Record<string, string>>> {
  await using box = await makeUnpackBox();
  await unpackImage(box.store, imageOf(fakeLayers(layers)), box.root, options);
  return describeOwnerless(box.root);
}

const TREE = tar(
  file("top", "top"),
  symlink("link", "usr"),
  dir("usr"),
  dir("usr/lib"),
  file("usr/lib/a", "a"),
  symlink("usr/lib/b", "../lib/a"),
  dir("usr/empty"),
);

Deno.test.each<{
  name: string;
  layers: readonly Uint8Array[];
  options: UnpackImageOptions;
  tree: Readonly<Record<string, string>>;
}>([
  {
    name: "removes the first component, and entries without another one",
    layers: [TREE],
    options: { strip: 1 },
    tree: { empty: "dir", lib: "dir", "lib/a": 'file "a"', "lib/b": "link -> ../lib/a" },
  },
  {
    name: "removes two components",
    layers: [TREE],
    options: { strip: 2 },
    tree: { a: 'file "a"', b: "link -> ../lib/a" },
  },
  { name: "may remove everything", layers: [TREE], options: { strip: 9 }, tree: {} },
  {
    name: "removes components of a selected path",
    layers: [TREE],
    options: { strip: 2, paths: ["usr/lib/a"] },
    tree: { a: 'file "a"' },
  },
  {
    name: "applies whiteouts before",
    layers: [tar(dir("a"), file("a/x", "1"), file("a/y", "1")), tar(dir("a"), whiteout("a/x"))],
    options: { strip: 1 },
    tree: { y: 'file "1"' },
  },
  {
    name: "keeps hard links",
    layers: [tar(dir("a"), file("a/x", "1"), dir("b"), hardlink("b/y", "a/x"))],
    options: { strip: 1 },
    tree: { x: 'file "1"', y: 'file = x "1"' },
  },
  {
    name: "keeps a hard link whose target is skipped",
    layers: [tar(file("x", "1"), dir("a"), hardlink("a/y", "x"), hardlink("a/z", "x"))],
    options: { strip: 1 },
    tree: { y: 'file "1"', z: 'file = y "1"' },
  },
  {
    name: "makes one file of hard links with the same rest",
    layers: [tar(dir("a"), file("a/x", "1"), dir("b"), hardlink("b/x", "a/x"))],
    options: { strip: 1 },
    tree: { x: 'file "1"' },
  },
  {
    name: "merges directories, and keeps the last file",
    layers: [tar(
      ...[dir("a"), dir("a/d"), file("a/d/x", "1"), file("a/d/y", "1")],
      ...[dir("b"), dir("b/d"), file("b/d/x", "2"), file("b/d/z", "2")],
    )],
    options: { strip: 1 },
    tree: { d: "dir", "d/x": 'file "2"', "d/y": 'file "1"', "d/z": 'file "2"' },
  },
  {
    name: "does not give the root the metadata of the image",
    layers: [tar(dir(".", { mode: 0o700 }), dir("a", { mode: 0o711 }), file("a/x", "1"))],
    options: { strip: 1 },
    tree: { x: 'file "1"' },
  },
])("unpackImage() with strip $name", async ({ layers, options, tree }) => {
  assertEquals(await unpacked(layers, options), tree);
});

Deno.test("unpackImage() with strip keeps other files of a directory", async () => {
  await using box = await makeUnpackBox();
  await Deno.mkdir(`${box.root}/lib`, { recursive: true });
  for (const name of ["mine", "lib/a", "lib/c"]) {
    await Deno.writeTextFile(`${box.root}/${name}`, "mine");
  }

  const options = { strip: 1, force: true };
  await unpackImage(box.store, imageOf(fakeLayers([TREE])), box.root, options);

  const texts = ["mine", "lib/a", "lib/c"].map((name) => Deno.readTextFile(`${box.root}/${name}`));
  assertEquals(await Promise.all(texts), ["mine", "a", "mine"]);
});

Deno.test("unpackImage() with strip follows links inside the directory only", async () => {
  await using box = await makeUnpackBox();
  const outside = box.temp.join("outside");
  await Deno.mkdir(outside);
  const layer = tar(
    ...[dir("a"), symlink("a/x", outside), dir("b"), dir("b/x"), file("b/x/planted", "1")],
    ...[dir("c"), symlink("c/x", outside)],
  );

  await unpackImage(box.store, imageOf(fakeLayers([layer])), box.root, { strip: 1 });

  assertEquals(await exists(`${outside}/planted`), false);
});

Deno.test("unpackImage() with strip accepts long paths that links lead to", async () => {
  await using box = await makeUnpackBox();
  const layer = tar(
    dir("top"),
    dir("top/directory"),
    symlink("l", "top/directory"),
    dir("l/inner"),
  );
  const image = imageOf(fakeLayers([layer]));

  await unpackImage(box.store, image, box.root, { strip: 1, maxPathBytes: 14 });

  assertEquals(await exists(`${box.root}/directory/inner`), true);
});

Deno.test.each([-1, 1.5, NaN, Infinity])("unpackImage() rejects strip=%s", async (strip) => {
  await using box = await makeUnpackBox();

  await assertRejects(
    () => unpackImage(box.store, imageOf(fakeLayers([TREE])), box.root, { strip }),
    RangeError,
    '"strip" must be an integer >= 0',
  );

  assertEquals(await exists(box.root), false);
});

/** Directories that become one, which the archive of the image describes in another order. */
const MERGED: readonly LayerStack[] = [
  {
    name: "directories that become one",
    layers: [tar(
      ...[dir("a"), dir("a/d", { mode: 0o700, uid: 5, mtime: 5 }), file("a/d/x", "1")],
      ...[dir("b"), dir("b/d", { mode: 0o751, uid: 6, mtime: 6 }), file("b/d/y", "1")],
    )],
  },
  {
    name: "directories that become one, the first of which a later layer adds to",
    layers: [
      tar(
        ...[dir("a"), dir("a/d", { mode: 0o700, uid: 5, mtime: 5 }), file("a/d/x", "1")],
        ...[dir("b"), dir("b/d", { mode: 0o751, uid: 6, mtime: 6 }), file("b/d/y", "1")],
      ),
      tar(file("a/d/z", "1")),
    ],
  },
];

/** With two components removed, GNU tar cannot make the hard link of this stack: it has no target. */
const ORPHANED_LINK = "a hard link two layers down, over a whiteout between";

for (const strip of [1, 2]) {
  peerTest({
    name: `unpackImage() with strip=${strip} unpacks the same tree as GNU tar`,
    needs: ["tar"],
    root: true,
  }, async (t) => {
    const seeds = Array.from({ length: 4 }, (_, seed) => randomStack(seed));
    for (const { name, layers } of [...NAMED_STACKS, ...MERGED, ...seeds]) {
      if (strip === 2 && name === ORPHANED_LINK) continue;
      await t.step(name, async () => {
        await using box = await makeUnpackBox();
        const image = imageOf(fakeLayers(layers));
        const archive = box.temp.join("image.tar");
        const theirs = box.temp.join("theirs");
        await Deno.writeFile(archive, exportImage(box.store, image));
        await Deno.mkdir(theirs);

        await unpackImage(box.store, image, box.root, { strip });
        await runPeer("tar", [
          ...[
            "--extract",
            "--numeric-owner",
            "--same-permissions",
            "--xattrs",
            "--xattrs-include=*",
          ],
          ...[`--strip-components=${strip}`, `--file=${archive}`, `--directory=${theirs}`],
        ]);

        assertEquals(describeTree(readTree(box.root)), describeTree(readTree(theirs)));
      });
    }
  });
}
