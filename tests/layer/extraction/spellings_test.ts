import { assertEquals } from "@std/assert";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { extractLayer } from "../../../layer/mod.ts";
import { childPath, leafName, parentPath } from "../../../layer/trees/clean_path.ts";
import type { FileTree } from "../../../layer/trees/file_tree.ts";
import { dir, file, hardlink, symlink, tar } from "../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";

const CREATES = new Set(["createFile", "makeDirectory", "makeSymlink", "makeLink", "makeNode"]);

/** Makes a tree ignore case and the form of accented letters, as that of macOS does. */
function folding(tree: FileTree): FileTree {
  const spelled = new Map<string, string>();
  const spell = (path: string, isNew = false): string => {
    if (path === "") return path;
    const own = childPath(spell(parentPath(path)), leafName(path));
    const key = path.normalize("NFC").toLowerCase();
    if (isNew && !spelled.has(key)) spelled.set(key, own);
    return spelled.get(key) ?? own;
  };
  return new Proxy(tree, {
    get(_, name: keyof FileTree) {
      const member: unknown = tree[name];
      if (typeof member !== "function") return member;
      return (path?: string, ...rest: unknown[]) => {
        if (path === undefined) return member.call(tree);
        const [first, ...others] = name === "makeLink" ? [spell(String(rest[0]))] : rest;
        return member.call(tree, spell(path, CREATES.has(String(name))), first, ...others);
      };
    },
  });
}

async function extractFolded(path: string, layer: Uint8Array<ArrayBuffer>) {
  using tree = openFileTree(path, { backend: "pure" });
  const stream = new Blob([layer]).stream();
  const { skipped } = await extractLayer(stream, folding(tree), { ownership: "squash" });
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
