import { assert, assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { LimitError } from "../../../spec/mod.ts";
import { UnpackError, unpackImage } from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { rootTest } from "../../_support/skip.ts";
import { dir, file, hardlink, noise, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import { namesIn } from "../../_support/temp.ts";
import { readTree } from "../../_support/tree.ts";
import { NAMED_STACKS, randomStack } from "../_layer_stacks.ts";
import { fakeLayers, imageOf, makeUnpackBox } from "./_unpack_box.ts";

const RANDOM_STACKS = Array.from({ length: 8 }, (_, seed) => randomStack(seed));

/** A directory of the user with names that the image also has. */
async function makeOwn(root: string): Promise<void> {
  await Deno.mkdir(`${root}/var`, { recursive: true });
  for (const path of ["a", "gone", "var/mine"]) await Deno.writeTextFile(`${root}/${path}`, "mine");
}

const OVERLAID = [
  tar(file("a", "x"), file("gone", "x"), dir("var"), file("var/old", "x")),
  tar(whiteout("gone"), dir("var"), opaque("var"), file("var/new", "x")),
  tar(dir("usr"), file("usr/a", "x"), hardlink("usr/b", "usr/a"), symlink("bin", "usr")),
];

Deno.test.each([
  {
    title: "whiteouts hide only entries of the image",
    paths: undefined,
    files: { "bin/a": "x", a: "x", gone: "mine", "var/mine": "mine", "var/new": "x" },
    absent: ["var/old"],
  },
  {
    title: "paths that are not selected stay as they were",
    paths: ["usr/a"],
    files: { "usr/a": "x", a: "mine", gone: "mine", "var/mine": "mine" },
    absent: ["usr/b", "bin", "var/new"],
  },
  {
    title: "a hard link is selected without its first name",
    paths: ["usr/b"],
    files: { "usr/b": "x" },
    absent: ["usr/a"],
  },
  {
    title: "a path leads through symlinks",
    paths: ["bin/a"],
    files: { "usr/a": "x", "bin/a": "x" },
    absent: ["usr/b"],
  },
])("unpackImage() with force: $title", async ({ paths, files, absent }) => {
  await using box = await makeUnpackBox();
  await makeOwn(box.root);
  const image = imageOf(fakeLayers(OVERLAID));

  const options = { force: true, paths };
  const report = await unpackImage(box.store, image, box.root, options);

  // All entries of the layers count, including whiteouts.
  assertEquals([report.entries, report.skippedCount], [12, 0]);
  for (const [path, text] of Object.entries(files)) {
    assertEquals(await Deno.readTextFile(`${box.root}/${path}`), text, path);
  }
  for (const path of absent) assert(!await exists(`${box.root}/${path}`), path);
});

Deno.test.each([
  // No layer alone exceeds the limit.
  { limits: { maxBytes: 6_000 }, limit: "bytes" },
  { limits: { maxEntries: 3 }, limit: "entries" },
])("unpackImage() with force keeps the limit of $limit for the layers", async ({ limits }) => {
  await using box = await makeUnpackBox();
  await makeOwn(box.root);
  const image = imageOf(fakeLayers(OVERLAID));

  await assertRejects(
    () => unpackImage(box.store, image, box.root, { force: true, ...limits }),
    LimitError,
  );

  assertEquals(await namesIn(box.root), ["a", "gone", "var"]);
});

Deno.test("unpackImage() with force applies a higher limit to each read of a layer", async () => {
  await using box = await makeUnpackBox();
  await makeOwn(box.root);
  const image = imageOf(fakeLayers([tar(file("zeros", new Uint8Array(70_000_000)))]));
  const options = { force: true };

  await assertRejects(
    () => unpackImage(box.store, image, box.root, options),
    LimitError,
    "maxRatio",
  );
  await unpackImage(box.store, image, box.root, { ...options, maxRatio: 2000 });

  assertEquals((await Deno.stat(`${box.root}/zeros`)).size, 70_000_000);
});

Deno.test("unpackImage() limits the bytes of the last file of an indexed layer", async () => {
  await using box = await makeUnpackBox();
  const image = imageOf(fakeLayers([tar(file("small", "1"), file("last", noise(2_000_000)))]));
  const options = { force: true, paths: ["last"] };
  await unpackImage(box.store, image, box.root, options);

  await assertRejects(
    () => unpackImage(box.store, image, box.root, { ...options, maxBytes: 1_000_000 }),
    LimitError,
  );
});

Deno.test("unpackImage() with force keeps a file beside a directory named like its whiteout", async () => {
  await using box = await makeUnpackBox();
  await makeOwn(box.root);
  const image = imageOf(fakeLayers([tar(file(".wh.a/f", "x"), file("d/.wh.../f", "y"))]));

  await unpackImage(box.store, image, box.root, { force: true });

  const contents = ["a", ".wh.a/f", "d/.wh.../f"].map((path) => {
    return Deno.readTextFileSync(`${box.root}/${path}`);
  });
  assertEquals(contents, ["mine", "x", "y"]);
});

Deno.test("unpackImage() with force rejects a path that the image does not have", async () => {
  await using box = await makeUnpackBox();
  await makeOwn(box.root);
  const options = { force: true, paths: ["no/such"] };

  await assertRejects(
    () => unpackImage(box.store, imageOf(fakeLayers(OVERLAID)), box.root, options),
    UnpackError,
    "does not contain it",
  );

  assertEquals(await namesIn(box.root), ["a", "gone", "var"]);
});

const LINKED = tar(
  ...[dir("usr"), dir("usr/lib"), file("usr/lib/a", "old"), file("usr/lib/b", "b")],
  symlink("lib", "usr/lib"),
);

rootTest.each([
  ...NAMED_STACKS,
  ...RANDOM_STACKS,
  { name: "a file is replaced through a link", layers: [LINKED, tar(file("lib/a", "new"))] },
  { name: "a file is removed through a link", layers: [LINKED, tar(whiteout("lib/a"))] },
  {
    name: "a file is found through a symlink",
    layers: [LINKED, tar(dir("lib/c"), file("lib/c/d", "d"))],
  },
  {
    name: "a symlink replaces a directory",
    layers: [LINKED, tar(dir("opt"), symlink("usr/lib", "/opt"), file("usr/lib/a", "of opt"))],
  },
])(
  "unpackImage() of paths equals an unpack of the whole image: $name",
  async ({ layers }) => {
    await using box = await makeUnpackBox();
    const image = imageOf(fakeLayers(layers));
    await unpackImage(box.store, image, box.root);
    const whole = statesOf(box.root);
    const names = [...whole.keys()].filter((path) => path !== ".");

    for (let i = 0; i < names.length; i += Math.ceil(names.length / 6)) {
      const path = names[i] ?? "";
      const root = `${box.root}-${i}`;
      await unpackImage(box.store, image, root, { paths: [path] });
      const isMeant = (name: string) => name === path || name.startsWith(`${path}/`);
      assertEquals(
        [...statesOf(root)].filter(([name]) => isMeant(name)),
        [...whole].filter(([name]) => isMeant(name)),
        path,
      );
    }
  },
);

/** Existing entries, without other names of the same files. */
function statesOf(root: string): ReadonlyMap<string, unknown> {
  return new Map([...readTree(root)].map(([path, { nlink: _, sameAs: __, ...state }]) => {
    return [path, state];
  }));
}
