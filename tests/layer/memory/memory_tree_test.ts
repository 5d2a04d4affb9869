import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemoryTree } from "../../../layer/mod.ts";
import { NameTable } from "../../../layer/trees/name_table.ts";
import { LimitError } from "../../../spec/mod.ts";

/** Summarizes the entry at a path. */
function brief(tree: MemoryTree, path: string): unknown {
  const { type, nlink, size } = tree.status(path) ?? {};
  return type === undefined ? undefined : [type, nlink, size];
}

Deno.test("MemoryTree keeps a file as long as it has a name", () => {
  const tree = new MemoryTree();
  using file = tree.createFile("a");
  file?.write(new Uint8Array(3), 0);
  tree.makeLink("b", "a");
  tree.makeLink("c", "b");

  tree.unlink("a");
  const two = [brief(tree, "a"), brief(tree, "b"), brief(tree, "c")];
  tree.unlink("c");
  tree.makeSymlink("a", "there");

  assertEquals(two, [undefined, ["file", 2, 3], ["file", 2, 3]]);
  assertEquals([brief(tree, "b"), tree.list("")], [["file", 1, 3], ["a", "b"]]);
  assertEquals([tree.readLink("a"), tree.readLink("b")], ["there", ""]);
});

Deno.test("MemoryTree reuses a path without its former content", () => {
  const tree = new MemoryTree();
  tree.makeDirectory("d");
  tree.makeNode("d/null", "character-device", 1, 3);
  {
    using entry = tree.open("d/null");
    entry.setXattr("user.a", new Uint8Array([1]));
    entry.setTimes(-5, 7);
  }
  tree.unlink("d/null");
  tree.removeDirectory("d");

  const made = [tree.createFile("d") !== undefined, tree.createFile("d")];

  assertEquals(made, [true, undefined]);
  const { devmajor, mtime, mtimeNs, mode } = tree.status("d") ?? {};
  assertEquals([devmajor, mtime, mtimeNs, mode], [0, 0, 0, 0o600]);
  assertEquals([tree.xattrsOf("d").size, tree.status("d/null")], [0, undefined]);
});

Deno.test("MemoryTree finds entries above, below and beside the last one", () => {
  const tree = new MemoryTree();
  const paths = ["a", "a/b", "a/b/c", "a/b/c/d", "a/bc", "a/bc/d"];
  for (const [i, path] of paths.entries()) {
    tree.makeDirectory(path);
    using entry = tree.open(path);
    entry.setMode(0o700 + i);
  }

  for (const one of paths) {
    for (const [i, other] of paths.entries()) {
      assertEquals(tree.status(`${one}/x/y`), undefined);
      assertEquals(tree.status(`${other}/x`), undefined);
      assertEquals(tree.status(other)?.mode, 0o700 + i, `${other} after ${one}`);
    }
  }
});

Deno.test("MemoryTree lists a layer in the order of its archive", () => {
  const tree = new MemoryTree();
  tree.makeDirectory("d");
  for (const [layer, offset, path] of [[0, 512, "z"], [0, 1024, "d/y"], [1, 0, "x"]] as const) {
    tree.place = { layer, offset };
    tree.createFile(path);
  }
  tree.makeLink("d/a", "z");
  tree.unlink("d/y");
  tree.place = { layer: 1, offset: 512 };
  tree.createFile("d/y");

  assertEquals([...tree.contents()], [
    { layer: 0, offset: 512, path: "d/a" },
    { layer: 0, offset: 512, path: "z" },
    { layer: 1, offset: 0, path: "x" },
    { layer: 1, offset: 512, path: "d/y" },
  ]);
  assertEquals([...tree.directories()], [{ path: "d", isEmpty: false }]);
});

Deno.test("MemoryTree sorts hard links by the code units of their paths", () => {
  const tree = new MemoryTree();
  for (const path of ["d", "d/a", "d/a-", "d/a-/a", "d/é"]) tree.makeDirectory(path);
  tree.createFile("x");
  const links = ["d/é/z", "d/a/z", "d/a-/a/z", "d/a-b", "d/a0", "d/a.", "w", "d/a-/b", "d/A"];
  for (const path of links) tree.makeLink(path, "x");

  assertEquals(Array.from(tree.contents(), ({ path }) => path), [...links, "x"].sort());
});

Deno.test("MemoryTree sorts hard links in deep directories in few steps", () => {
  const tree = new MemoryTree();
  let directory = "d";
  tree.makeDirectory(directory);
  for (let level = 1; level < 1000; level++) tree.makeDirectory(directory += "/d");
  tree.createFile("f");
  for (let link = 0; link < 500; link++) tree.makeLink(`${directory}/${link * 7 % 500}`, "f");
  const { nameOf } = NameTable.prototype;
  let count = 0;
  NameTable.prototype.nameOf = function (number) {
    count++;
    return nameOf.call(this, number);
  };

  try {
    assertEquals([...tree.contents()].length, 501);
  } finally {
    NameTable.prototype.nameOf = nameOf;
  }
  assert(count < 10_000, `it took ${count} steps`);
});

Deno.test("MemoryTree fails as a file system does", () => {
  const tree = new MemoryTree();
  tree.makeDirectory("d");
  tree.createFile("d/f");

  const errors = [
    assertThrows(() => tree.createFile("e/f"), Deno.errors.NotFound),
    assertThrows(() => tree.makeLink("d/f", "d/f"), Deno.errors.AlreadyExists),
    assertThrows(() => tree.createFile("d/f/g"), Deno.errors.NotADirectory),
    assertThrows(() => tree.removeDirectory("d"), Error, "is not empty"),
  ];

  assertEquals(errors.map((error) => "code" in error ? error.code : undefined), [
    ...["ENOENT", "EEXIST", "ENOTDIR", "ENOTEMPTY"],
  ]);
});

Deno.test("MemoryTree keeps owners out of range", () => {
  const tree = new MemoryTree();
  {
    using file = tree.createFile("f");
    file?.setOwner(2 ** 40, 2 ** 32 - 1);
  }

  const { uid, gid } = tree.status("f") ?? {};

  assertEquals([uid, gid], [2 ** 40, 2 ** 32 - 1]);
});

Deno.test("MemoryTree accepts paths of up to 4096 bytes", () => {
  const tree = new MemoryTree();
  let path = "";
  for (let depth = 0; depth < 2047; depth++) {
    path += depth === 0 ? "ä" : "/a";
    tree.makeDirectory(path);
  }

  assertEquals(tree.createFile(`${path}/f`)?.[Symbol.dispose](), undefined);
  const error = assertThrows(() => tree.createFile(`${path}/ä`), Error, "its path is too long");

  assertEquals("code" in error ? error.code : undefined, "ENAMETOOLONG");
  assertEquals([...tree.directories()].at(-1), { path, isEmpty: false });
});

Deno.test("MemoryTree limits attributes, and does not count removed ones", () => {
  const tree = new MemoryTree();
  const value = new Uint8Array(65_536);
  const fill = (path: string) => {
    using file = tree.createFile(path);
    for (let i = 0; i < 2045; i++) file?.setXattr(`user.${i}`, value);
  };

  fill("a");
  tree.unlink("a");
  fill("a");
  using file = tree.open("a");
  file.removeXattr("user.0");
  file.setXattr("user.1", new Uint8Array(1));

  assertEquals(file.listXattrs().length, 2044);
  assertEquals(file.getXattr("user.1")?.length, 1);
  assertThrows(() => fill("b"), LimitError, "134217728 bytes of extended attributes");
});

Deno.test("MemoryTree returns a snapshot of the metadata", () => {
  const tree = new MemoryTree();
  using file = tree.createFile("f");

  const before = tree.status("f");
  file?.setMode(0o755);
  tree.unlink("f");
  tree.makeSymlink("g", "f");

  assertEquals([before?.type, before?.mode, before?.nlink], ["file", 0o600, 1]);
});
