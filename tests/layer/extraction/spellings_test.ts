import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { mergeLayer } from "../../../layer/merging/merge_layer.ts";
import { stageLayer } from "../../../layer/merging/staged_layer.ts";
import { ExtractError, extractLayer, MemoryTree, type SkippedEntry } from "../../../layer/mod.ts";
import { childPath, leafName, parentPath } from "../../../layer/trees/clean_path.ts";
import type { FileTree } from "../../../layer/trees/file_tree.ts";
import { linuxTest } from "../../_support/skip.ts";
import { dir, file, hardlink, symlink, tar } from "../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";

const ACCENTS = (name: string) => name.normalize("NFC").toLowerCase();
const CASE = (name: string) => name.toLowerCase();

/**
 * Makes a tree ignore the differences between names that a function removes; by default case and
 * the form of accented letters, as macOS does.
 */
function folding(tree: FileTree, fold = ACCENTS): FileTree {
  const spell = (path: string): string => {
    if (path === "") return path;
    const parent = spell(parentPath(path));
    const leaf = leafName(path);
    const isDirectory = tree.status(parent)?.type === "directory";
    // Like a kernel, it looks behind symlinks.
    const names = isDirectory ? tree.list(parent) : namesBehind(`${tree.root}/${parent}`);
    const name = names.includes(leaf) ? leaf : names.find((name) => fold(name) === fold(leaf));
    return childPath(parent, name ?? leaf);
  };
  return new Proxy(tree, {
    get(_, name: keyof FileTree) {
      const member: unknown = tree[name];
      if (typeof member !== "function") return member;
      return (path?: string, ...rest: unknown[]) => {
        if (path === undefined) return member.call(tree);
        const isTwo = name === "makeLink" || name === "rename";
        const [first, ...others] = isTwo ? [spell(String(rest[0]))] : rest;
        return member.call(tree, spell(path), first, ...others);
      };
    },
  });
}

function namesBehind(path: string): readonly string[] {
  try {
    return Array.from(Deno.readDirSync(path), ({ name }) => name);
  } catch {
    return [];
  }
}

async function extractFolded(path: string, layer: Uint8Array<ArrayBuffer>, fold = ACCENTS) {
  using tree = openFileTree(path, { backend: "pure" });
  const stream = new Blob([layer]).stream();
  const { skipped } = await extractLayer(stream, folding(tree, fold), { ownership: "squash" });
  return skipped.map(({ path, reason }) => `${path}: ${reason}`);
}

Deno.test("extractLayer() keeps the first of two names that are one in the file system", async () => {
  await using temp = await makeTempDir();

  const skipped = await extractFolded(
    temp.path,
    tar(
      dir("d"),
      file("d/Name", "1"),
      file("d/name", "2"),
      symlink("d/NAME", "target"),
      file("d/caf\u00e9", "3"),
      file("d/cafe\u0301", "4"),
      file("d/Name", "5"),
    ),
  );

  assertEquals(skipped, [
    'd/name: its name is that of "d/Name" in this file system',
    'd/NAME: its name is that of "d/Name" in this file system',
    'd/cafe\u0301: its name is that of "d/caf\u00e9" in this file system',
  ]);
  assertEquals(await Deno.readTextFile(temp.join("d/Name")), "5");
  assertEquals(await Deno.readTextFile(temp.join("d/caf\u00e9")), "3");
});

Deno.test("extractLayer() reports two directories that are one in the file system", async () => {
  await using temp = await makeTempDir();

  const skipped = await extractFolded(
    temp.path,
    tar(dir("D"), file("D/a", "1"), dir("d"), file("d/b", "2"), dir("D")),
  );

  assertEquals(skipped, ['d/: its name is that of "D" in this file system']);
  assertEquals(await Deno.readTextFile(temp.join("D/b")), "2");
});

Deno.test("extractLayer() creates both of two names that are two in the file system", async () => {
  await using temp = await makeTempDir();
  const layer = tar(file("name", "1"), hardlink("NAME", "name"), file("Name", "2"));

  const { skipped } = await extractLayer(new Blob([layer]).stream(), temp.path, {
    ownership: "squash",
  });

  assertEquals(skipped, []);
  assertEquals(await namesIn(temp.path), ["NAME", "Name", "name"]);
});

Deno.test.each([["\u0416", "\u0436"], ["\u03ac", "\u03b1\u0301"]])(
  "extractLayer() replaces its own entry although a lower layer has %s",
  async (lower, name) => {
    await using temp = await makeTempDir();
    const extract = async (...entries: Uint8Array[]) => {
      const stream = new Blob([tar(...entries)]).stream();
      return (await extractLayer(stream, temp.path, { ownership: "squash" })).skipped;
    };
    await extract(dir("1"), file(`1/${lower}`, "1"));

    const skipped = await extract(
      file(`1/${lower}`, "2"),
      file(`1/${name}`, "3"),
      file(`1/${name}`, "4"),
      file("x"),
      file("X", "5"),
      file("X", "6"),
    );

    assertEquals(skipped, []);
    assertEquals(await Deno.readTextFile(temp.join(`1/${lower}`)), "2");
    assertEquals(await Deno.readTextFile(temp.join(`1/${name}`)), "4");
    assertEquals(await Deno.readTextFile(temp.join("X")), "6");
  },
);

Deno.test("extractLayer() creates both of two forms of a name where only case is ignored", async () => {
  await using temp = await makeTempDir();
  const layer = tar(file("a", "1"), file("caf\u00e9", "2"), file("cafe\u0301", "3"));

  const skipped = await extractFolded(temp.path, layer, CASE);

  assertEquals(skipped, []);
  assertEquals(await namesIn(temp.path), ["a", "cafe\u0301", "caf\u00e9"]);
});

Deno.test("extractLayer() notices that case is ignored from a directory of a lower layer", async () => {
  await using temp = await makeTempDir();
  await extractFolded(temp.path, tar(dir("D")));

  const skipped = await extractFolded(temp.path, tar(dir("d"), file("d/x", "1"), file("d/X", "2")));

  assertEquals(skipped, [
    'd/: its name is that of "D" in this file system',
    'd/X: its name is that of "d/x" in this file system',
  ]);
});

Deno.test("extractLayer() reports names that are those of a lower layer in the file system", async () => {
  await using temp = await makeTempDir();
  await extractFolded(temp.path, tar(dir("d"), file("d/Name", "1"), file("caf\u00e9", "2")));

  const skipped = await extractFolded(
    temp.path,
    tar(
      file("CAF\u00c9", "3"),
      file("cafe\u0301", "4"),
      file(".wh.Cafe\u0301", ""),
      file("d/name", "5"),
      file("d/Name", "6"),
      dir("D"),
      file("D/.wh.NAME", ""),
      file("d/new", "7"),
    ),
  );

  assertEquals(skipped, [
    'CAF\u00c9: its name is that of "caf\u00e9" in this file system',
    'cafe\u0301: its name is that of "caf\u00e9" in this file system',
    'd/name: its name is that of "d/Name" in this file system',
    'D/: its name is that of "d" in this file system',
  ]);
  assertEquals(await namesIn(temp.path), ["caf\u00e9", "d"]);
  assertEquals(await Deno.readTextFile(temp.join("caf\u00e9")), "2");
  assertEquals(await Deno.readTextFile(temp.join("d/Name")), "6");
});

/** Makes a tree list names with decomposed letters, as HFS+ does. */
function decomposing(tree: FileTree): FileTree {
  const decompose = (name: string) => name.normalize("NFD");
  return new Proxy(folding(tree), {
    get(folded, name: keyof FileTree) {
      if (name === "list") return (path: string) => tree.list(path).map(decompose);
      return Reflect.get(folded, name);
    },
  });
}

Deno.test("extractLayer() replaces a name that the file system has decomposed", async () => {
  await using temp = await makeTempDir();
  await extractFolded(temp.path, tar(file("caf\u00e9", "1"), file("caf\u00e8", "2")));
  using tree = openFileTree(temp.path, { backend: "pure" });
  const layer = tar(file("caf\u00e9", "3"), file(".wh.caf\u00e8", ""));

  const { skipped } = await extractLayer(new Blob([layer]).stream(), decomposing(tree), {
    ownership: "squash",
  });

  assertEquals(skipped, []);
  assertEquals(await namesIn(temp.path), ["caf\u00e9"]);
  assertEquals(await Deno.readTextFile(temp.join("caf\u00e9")), "3");
});

Deno.test("mergeLayer() reports another form of a name of a lower layer", async () => {
  await using temp = await makeTempDir();
  const [lower = "", staged = ""] = ["0", "1"].map((name) => temp.join(name));
  await Promise.all([Deno.mkdir(lower), Deno.mkdir(staged)]);
  await extractFolded(lower, tar(file("name", "1"), file("cafe\u0301", "1")));
  const layer = tar(file("caf\u00e9", "2"));
  const report = await extractLayer(new Blob([layer]).stream(), staged, { ownership: "squash" });
  using tree = openFileTree(temp.path, { backend: "pure" });

  const merged = mergeLayer(folding(tree), "1", "0", { report, whiteouts: [], opaque: [] });

  assertEquals(merged?.skipped, [
    { path: "caf\u00e9", reason: 'its name is that of "cafe\u0301" in this file system' },
  ]);
  assertEquals(await Deno.readTextFile(`${lower}/cafe\u0301`), "1");
});

Deno.test("stageLayer() keeps whiteouts of names in another case", async () => {
  await using temp = await makeTempDir();
  const [lower = "", staged = ""] = ["0", "1"].map((name) => temp.join(name));
  await Promise.all([Deno.mkdir(lower), Deno.mkdir(staged)]);
  await extractFolded(lower, tar(file("README", "1")));
  const layer = tar(file("readme", "2"), file(".wh.README", ""));
  using stage = openFileTree(staged, { backend: "pure" });
  const result = await stageLayer(
    (options) => extractLayer(new Blob([layer]).stream(), folding(stage), options),
    { ownership: "squash" },
  );
  using tree = openFileTree(temp.path, { backend: "pure" });

  const merged = result && mergeLayer(folding(tree), "1", "0", result);

  assertEquals(merged?.skipped, []);
  assertEquals(await namesIn(lower), ["readme"]);
});

function byPath(one: SkippedEntry, other: SkippedEntry): number {
  return one.path < other.path ? -1 : 1;
}

Deno.test("mergeLayer() reports names that are those of a lower layer in the file system", async () => {
  await using temp = await makeTempDir();
  const [lower = "", staged = ""] = ["0", "1"].map((name) => temp.join(name));
  await Promise.all([Deno.mkdir(lower), Deno.mkdir(staged)]);
  const names = ["d/Name", "d/README", "d/x", "e/old"];
  await extractFolded(lower, tar(dir("d"), ...names.map((name) => file(name, "1"))));
  const layer = tar(...["d/name", "d/readme", "d/y", "E/new"].map((name) => file(name, "2")));
  const report = await extractLayer(new Blob([layer]).stream(), staged, { ownership: "squash" });
  const whiteouts = [["d", "README"], ["d", "X"], ["e", "old"]]
    .map(([directory = "", name]) => ({ directory, name, isDescribed: false }));
  using tree = openFileTree(temp.path, { backend: "pure" });

  const merged = mergeLayer(folding(tree), "1", "0", { report, whiteouts, opaque: [] });

  assertEquals({ ...merged, skipped: merged?.skipped.toSorted(byPath) }, {
    ...report,
    skippedCount: 2,
    skipped: [
      { path: "E", reason: 'its name is that of "e" in this file system' },
      { path: "d/name", reason: 'its name is that of "d/Name" in this file system' },
    ],
  });
  assertEquals(await namesIn(temp.join("0/d")), ["Name", "readme", "x", "y"]);
  assertEquals(await namesIn(temp.join("0/e")), ["new"]);
  assertEquals(await Deno.readTextFile(temp.join("0/d/Name")), "1");
});

Deno.test("extractLayer() creates a name again whose other spelling has been removed", async () => {
  await using temp = await makeTempDir();
  const layer = tar(dir("d"), file("d/X", "1"), file("d", "2"), dir("d"), file("d/x", "3"));

  assertEquals(await extractFolded(temp.path, layer), []);
  assertEquals(await namesIn(temp.join("d")), ["x"]);
});

Deno.test("extractLayer() replaces deep directories without looking up their ancestors", async () => {
  const tree = new MemoryTree();
  let count = 0;
  const status = tree.status.bind(tree);
  tree.status = (path) => {
    count++;
    return status(path);
  };
  const path = Array(500).fill("d").join("/");
  const entries = Array.from({ length: 50 }, () => [dir(`${path}/k`), file(`${path}/k`, "")]);

  await extractLayer(new Blob([tar(...entries.flat())]).stream(), tree);

  assert(count < 3000, `${count} lookups`);
});

Deno.test("extractLayer() applies no file to a symlink where a lower directory ignores case", async () => {
  await using temp = await makeTempDir();
  const [root, out] = ["root", "out"].map((name) => temp.join(name)) as [string, string];
  await Promise.all([Deno.mkdir(`${root}/lower/x`, { recursive: true }), Deno.mkdir(out)]);
  using tree = openFileTree(root, { backend: "pure" });
  const fold = (name: string) => name.length === 1 ? name.toLowerCase() : name;
  const layer = tar(
    dir("lower/a"),
    file("lower/A/z", "1"),
    symlink("lower/a", "../../out"),
    file("lower/A/evil", "1"),
  );

  await extractLayer(new Blob([layer]).stream(), folding(tree, fold), { ownership: "squash" })
    .catch((error) => assertInstanceOf(error, ExtractError));

  assertEquals(await namesIn(out), []);
});

for (const backend of ["pure", "native"] as const) {
  linuxTest(
    `extractLayer() with the ${backend} backend creates a name too long in uppercase`,
    async () => {
      await using temp = await makeTempDir();
      using tree = openFileTree(temp.path, { backend });
      // Three bytes in uppercase.
      const name = "\u0149".repeat(127);

      await extractLayer(new Blob([tar(file(name, ""))]).stream(), tree, { ownership: "squash" });

      assertEquals(await namesIn(temp.path), [name]);
    },
  );
}

const outside = symlink("a", "../out");
for (
  const { name, lower = tar(dir("A"), dir("A/sub"), file("A/old", "1")), layer } of [
    {
      name: "a file into a directory",
      lower: tar(),
      layer: tar(dir("a"), dir("A"), file("A/z", "1"), outside, file("A/evil", "1")),
    },
    {
      name: "a file into a directory without an entry",
      lower: tar(),
      layer: tar(file("a/x", "1"), file("A/x2", "1"), outside, file("A/evil", "1")),
    },
    {
      name: "a file into a lower directory",
      layer: tar(file("A/x", "1"), outside, file("A/evil", "1")),
    },
    {
      name: "a file below a lower directory",
      layer: tar(file("A/sub/x", "1"), outside, file("A/sub/evil", "1")),
    },
    { name: "a whiteout", layer: tar(file("A/x", "1"), outside, file(".wh.A", "")) },
    { name: "a mode", layer: tar(dir("A/sub", { mode: 0o755 }), file("A/sub/x", "1"), outside) },
  ]
) {
  Deno.test(`extractLayer() applies ${name} to no symlink with another spelling`, async () => {
    await using temp = await makeTempDir();
    const [root, out] = ["root", "out"].map((name) => temp.join(name)) as [string, string];
    await Deno.mkdir(root);
    await Deno.mkdir(`${out}/sub`, { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(`${out}/old`, "kept");
    await extractFolded(root, lower);

    await extractFolded(root, layer).catch((error) => assertInstanceOf(error, ExtractError));

    assertEquals(await namesIn(out), ["old", "sub"]);
    assertEquals(await namesIn(`${out}/sub`), []);
    const { mode } = await Deno.stat(`${out}/sub`);
    assertEquals((mode ?? 0) & 0o777, 0o700);
  });
}
