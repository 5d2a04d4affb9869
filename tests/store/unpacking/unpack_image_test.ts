import { assert, assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { ExtractError } from "../../../layer/mod.ts";
import { unpackImage } from "../../../store/mod.ts";
import { aclsIn, makeInherited } from "../../_support/acl.ts";
import "../../_support/native_backend.ts";
import { linuxTest, rootTest } from "../../_support/skip.ts";
import { dir, file, hardlink, tar } from "../../_support/tar.ts";
import { describeTree, readTree } from "../../_support/tree.ts";
import { fakeLayers, imageOf, makeUnpackBox, stacked } from "./_unpack_box.ts";

rootTest(
  "unpackImage() merges names that are not UTF-8, at the top too",
  async () => {
    const top = Uint8Array.of(0x64, 0xe9);
    const inner = Uint8Array.of(...top, 0x2f, 0xff);
    const layers = [
      tar(dir(top), file(inner, "1"), file("f", "f")),
      tar(dir(top), file(inner, "2")),
    ];
    await using box = await makeUnpackBox();

    await unpackImage(box.store, imageOf(fakeLayers(layers)), box.root);

    const tree = describeTree(readTree(box.root));
    assertEquals(tree["d\udce9/\udcff"], 'file "2"');
    assertEquals(tree, await stacked(layers));
  },
);

Deno.test("unpackImage() leaves an empty directory empty when it fails", async () => {
  await using box = await makeUnpackBox();
  await Deno.mkdir(box.root);
  const image = imageOf(fakeLayers([tar(file("a", "x")), tar(hardlink("b", "nowhere"))]));

  await assertRejects(() => unpackImage(box.store, image, box.root), ExtractError);

  assertEquals(await Array.fromAsync(Deno.readDir(box.root)), []);
});

Deno.test("unpackImage() removes the directories that it made when it fails", async () => {
  await using box = await makeUnpackBox();
  const image = imageOf(fakeLayers([tar(hardlink("b", "nowhere"))]));

  await assertRejects(() => unpackImage(box.store, image, `${box.root}/deep/down`), ExtractError);

  assert(!await exists(box.root));
});

rootTest({
  name: "unpackImage() sets the metadata of the root directory",
  fn: async () => {
    await using box = await makeUnpackBox();
    const image = imageOf(fakeLayers([
      tar(dir(".", { mode: 0o750, uid: 3, mtime: 1_500_000_000 }), file("a", "x")),
      tar(file("b", "y")),
    ]));

    await unpackImage(box.store, image, box.root);

    assertEquals(describeTree(readTree(box.root), true), {
      ".": "dir 750 3:0 @1500000000",
      "a": 'file "x"',
      "b": 'file "y"',
    });
  },
});

Deno.test("unpackImage() of an image without layers makes an empty directory", async () => {
  await using box = await makeUnpackBox();

  const report = await unpackImage(box.store, imageOf([]), box.root);

  assertEquals(report, {
    entries: 0,
    bytes: 0,
    skipped: [],
    skippedCount: 0,
    isPartial: false,
    reusedBytes: 0,
  });
  assertEquals(await Array.fromAsync(Deno.readDir(box.root)), []);
});

rootTest.each([
  { backend: "native", paths: undefined },
  { backend: "pure", paths: undefined },
  { backend: "native", paths: ["d"] },
])("unpackImage() gives a root without an entry to the mapped root ($backend, $paths)", async ({
  backend,
  paths,
}) => {
  await using box = await makeUnpackBox();
  const image = imageOf(fakeLayers([tar(dir("d", { uid: 1, gid: 1 }))]));
  const ownership = {
    kind: "map",
    uids: [{ containerId: 0, hostId: 1000, size: 2 }],
    gids: [{ containerId: 0, hostId: 2000, size: 2 }],
  } as const;
  await Deno.mkdir(box.root);

  const options = { ownership, backend: backend as "native" | "pure", paths };
  await unpackImage(box.store, image, box.root, options);

  const owners = [box.root, `${box.root}/d`].map((path) => Deno.lstatSync(path))
    .map(({ uid, gid }) => [uid, gid]);
  assertEquals(owners, [[1000, 2000], [1001, 2001]]);
});

linuxTest("unpackImage() takes no access control list from the directory", async () => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers([tar(dir("etc"), file("etc/shadow", "x", { mode: 0o640 }))]);
  makeInherited(box.root);

  await unpackImage(box.store, imageOf(layers), box.root);

  assertEquals(aclsIn(`${box.root}/etc`), []);
});
