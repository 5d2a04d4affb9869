import { assert, assertEquals, assertThrows } from "@std/assert";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import type { TreeBackend, TreeName } from "../../../layer/mod.ts";
import { errorCode } from "../../../spec/error_facts.ts";
import { linuxTest, rootTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

const ENCODER = new TextEncoder();

function eachBackend(name: string, fn: (backend: TreeBackend) => Promise<void>): void {
  for (const backend of ["native", "pure"] as const) {
    const test = backend === "native" ? linuxTest : Deno.test;
    test(`${backend} tree: ${name}`, () => fn(backend));
  }
}

/** Returns the code of the error that a function throws. */
function codeOf(fn: () => unknown): string | undefined {
  return errorCode(assertThrows(fn, Error));
}

eachBackend("a file is written in pieces, with a hole", async (backend) => {
  await using temp = await makeTempDir({ large: true });
  using tree = openFileTree(temp.path, { backend });
  {
    using file = tree.createFile("f");
    file?.write(ENCODER.encode("begin"), 0);
    file?.write(ENCODER.encode("end"), 5_000_000_000);
    file?.truncate(5_000_000_010);
    file?.setMode(0o640);
    file?.setTimes(-5, 250_000_000);
  }

  const status = tree.status("f");
  using reader = tree.openFile("f");
  const buffer = new Uint8Array(8);

  assertEquals(reader.read(buffer), 8);
  assertEquals(new TextDecoder().decode(buffer), "begin\0\0\0");
  assertEquals([status?.type, status?.mode, status?.size], ["file", 0o640, 5_000_000_010]);
  assertEquals([status?.mtime, status?.mtimeNs], [-5, 250_000_000]);
});

eachBackend("directories and symlinks accept times before 1970", async (backend) => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend });
  tree.makeDirectory("d");
  tree.makeSymlink("l", "nowhere");

  for (const path of ["d", "l"]) {
    using entry = tree.open(path);
    entry.setTimes(-4, 750_000_000);
  }

  const { mtimeNs = 0 } = tree.status("d") ?? {};
  assertEquals([tree.status("d")?.mtime, tree.status("l")?.mtime], [-4, -4]);
  assertEquals(mtimeNs, backend === "native" ? 750_000_000 : 0);
});

eachBackend("times out of range do not become 1970", async (backend) => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend });
  tree.makeDirectory("d");

  const times = [9_000_000_000_000_000, -9_000_000_000_000_000].map((time) => {
    using entry = tree.open("d");
    entry.setTimes(time, 5);
    return tree.status("d")?.mtime ?? 0;
  });

  // The range depends on the file system.
  assert((times[0] ?? 0) > 4_000_000_000 && (times[1] ?? 0) < -2_000_000_000, String(times));
});

eachBackend("creating an existing entry changes nothing", async (backend) => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend });
  assert(tree.makeDirectory("d"));
  assert(tree.makeSymlink("dangling", "/nowhere"));

  assertEquals(tree.makeDirectory("d"), false);
  assertEquals(tree.makeSymlink("d", "x"), false);
  assertEquals(tree.createFile("dangling"), undefined);
  assertEquals(tree.makeNode("d", "fifo", 0, 0), false);
  assertEquals(codeOf(() => tree.makeLink("d", "dangling")), "EEXIST");
  assertEquals(await Deno.lstat("/nowhere").catch(() => undefined), undefined);
});

eachBackend("a missing entry fails with its code", async (backend) => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend });
  tree.makeDirectory("d");
  tree.createFile("d/f")?.[Symbol.dispose]();

  assertEquals(tree.status("x"), undefined);
  assertEquals(tree.status("x/y"), undefined);
  assertEquals(tree.status("d/f/g"), undefined);
  assertEquals(codeOf(() => tree.unlink("x")), "ENOENT");
  assertEquals(codeOf(() => tree.openFile("x")), "ENOENT");
  assertEquals(codeOf(() => tree.createFile("x/y")), "ENOENT");
  assertEquals(codeOf(() => tree.removeDirectory("d")), "ENOTEMPTY");
  assertEquals(codeOf(() => tree.createFile("n".repeat(256))), "ENAMETOOLONG");
});

eachBackend("symlinks keep their targets and are never followed", async (backend) => {
  await using temp = await makeTempDir();
  await Deno.writeTextFile(temp.join("outside"), "x");
  await Deno.chmod(temp.join("outside"), 0o600);
  await Deno.mkdir(temp.join("root"));
  using tree = openFileTree(temp.join("root"), { backend });
  tree.makeSymlink("l", "../outside");
  tree.makeLink("m", "l");
  {
    using link = tree.open("l");
    link.setTimes(9, 0);
    assertThrows(() => link.setMode(0o777), Deno.errors.NotSupported);
  }

  assertEquals([tree.status("l")?.type, tree.status("l")?.mtime], ["symlink", 9]);
  assertEquals([tree.readLink("m"), tree.status("m")?.nlink], ["../outside", 2]);
  assertEquals(((await Deno.stat(temp.join("outside"))).mode ?? 0) & 0o777, 0o600);
  assert((await Deno.stat(temp.join("outside"))).mtime?.getTime() !== 9000);
});

eachBackend("the root is the empty path", async (backend) => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend });
  tree.makeDirectory("b");
  tree.makeDirectory("a");
  {
    using root = tree.open("");
    root.setMode(0o711);
    root.setTimes(11, 0);
  }

  assertEquals([...tree.list("")].sort(), ["a", "b"]);
  assertEquals([tree.status("")?.mode, tree.status("")?.mtime], [0o711, 11]);
});

eachBackend("a replaced directory is looked up again", async (backend) => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend });
  tree.makeDirectory("d");
  tree.createFile("d/f")?.[Symbol.dispose]();
  tree.unlink("d/f");
  tree.removeDirectory("d");
  tree.makeDirectory("d");

  tree.createFile("d/g")?.[Symbol.dispose]();

  assertEquals(tree.list("d"), ["g"]);
});

eachBackend("a renamed entry is only found by its new path", async (backend) => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend });
  for (const path of ["a", "a/b", "c"]) tree.makeDirectory(path);
  tree.createFile("a/b/f")?.[Symbol.dispose]();
  tree.makeSymlink("c/l", "f");

  tree.rename("a", "c/d");
  tree.makeDirectory("a");
  tree.rename("c/d/b/f", "c/l");

  assertEquals(tree.status("a/b"), undefined);
  assertEquals(tree.status("c/l")?.type, "file");
  assertEquals([...tree.entries("c")].sort((a, b) => a.name < b.name ? -1 : 1).map(named), [
    ["d", true],
    ["l", false],
  ]);
  assertEquals(codeOf(() => tree.rename("c/l", "c/d")), "EISDIR");
  assertEquals(codeOf(() => tree.rename("a/b/f", "f")), "ENOENT");
});

function named({ name, isDirectory }: TreeName): readonly [string, boolean] {
  return [name, isDirectory];
}

eachBackend("hundreds of directories are not all kept open", async (backend) => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend });
  const names = Array.from({ length: 1500 }, (_, i) => `d${i}`);

  for (const name of names) {
    tree.makeDirectory(name);
    tree.createFile(`${name}/f`)?.[Symbol.dispose]();
  }

  assertEquals(names.filter((name) => tree.status(`${name}/f`)?.type !== "file"), []);
});

eachBackend("a root that is not a directory is rejected", async (backend) => {
  await using temp = await makeTempDir();
  await Deno.writeTextFile(temp.join("f"), "x");

  assertEquals(codeOf(() => openFileTree(temp.join("none"), { backend })), "ENOENT");
  assertThrows(() => openFileTree(temp.join("f"), { backend }), Deno.errors.NotADirectory);
});

linuxTest("native tree: a parent that is a symlink is rejected", async () => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend: "native" });
  tree.makeDirectory("d");
  tree.makeSymlink("l", "d");

  assertEquals(codeOf(() => tree.createFile("l/f")), "ELOOP");
  assertEquals(codeOf(() => tree.status("l/f")), "ELOOP");
  assertEquals(codeOf(() => tree.list("l")), "ENOTDIR");
});

linuxTest("native tree: names are bytes", async () => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend: "native" });
  const names = ["\udcff", "caf\udce9", "\u00e9", "🐳"];

  for (const name of names) tree.makeSymlink(name, name);

  assertEquals([...tree.list("")].sort(), [...names].sort());
  assertEquals(names.map((name) => tree.readLink(name)), names);
});

linuxTest("native tree: attributes can be set, listed, read and removed", async () => {
  await using temp = await makeTempDir({ large: true });
  using tree = openFileTree(temp.path, { backend: "native" });
  using file = tree.createFile("f");
  file?.setXattr("user.a", new Uint8Array([0, 255]));
  file?.setXattr("user.empty", new Uint8Array());
  using entry = tree.open("f");

  assertEquals([...entry.listXattrs()].sort(), ["user.a", "user.empty"]);
  assertEquals(entry.getXattr("user.a"), new Uint8Array([0, 255]));
  assertEquals(entry.getXattr("user.empty"), new Uint8Array());
  entry.removeXattr("user.a");
  assertEquals(entry.getXattr("user.a"), undefined);
  assertThrows(() => entry.setXattr("nonsense", new Uint8Array()), Deno.errors.NotSupported);
});

// The tests below check limits of Deno that the pure backend has to live with.

linuxTest("Deno keeps times to the millisecond", async () => {
  await using temp = await makeTempDir({ large: true });
  await Deno.writeTextFile(temp.join("f"), "");
  await Deno.utime(temp.join("f"), 1_700_000_000.1234567, 1_700_000_000.1234567);
  using tree = openFileTree(temp.path, { backend: "native" });

  assertEquals(tree.status("f")?.mtimeNs, 123_000_000);
});

linuxTest("Deno cannot name a file whose name is not UTF-8", async () => {
  await using temp = await makeTempDir();
  await Deno.writeTextFile(temp.join("\udcff"), "");
  using tree = openFileTree(temp.path, { backend: "native" });

  assertEquals(tree.list(""), ["\ufffd"]);
});

/** A default ACL: all permissions for the owner, read for the group, none for others. */
const DEFAULT_ACL = new Uint8Array([
  ...[2, 0, 0, 0],
  ...[1, 0, 7, 0, 255, 255, 255, 255],
  ...[4, 0, 4, 0, 255, 255, 255, 255],
  ...[32, 0, 0, 0, 255, 255, 255, 255],
]);

(Deno.build.os === "linux" ? rootTest : linuxTest)({
  name: "native tree: new files have their own owner and mode, whatever they inherit",
  fn: async () => {
    await using temp = await makeTempDir();
    using tree = openFileTree(temp.path, { backend: "native" });
    const modes = [0o644, 0o644, 0o666, 0o600, 0o4755, 0, 0o777, 0o666];
    const make = (directory: string) => {
      return modes.map((mode, i) => {
        const path = `${directory}/${mode}-${i}-${tree.list(directory).length}`;
        using file = tree.createFile(path, mode);
        file?.setOwner(i % 2, i % 3);
        file?.setMode(mode);
        return { path, status: { uid: i % 2, gid: i % 3, mode } };
      });
    };
    const made: { path: string; status: object }[] = [];
    for (const directory of ["plain", "setgid", "acl"]) {
      tree.makeDirectory(directory);
      made.push(...make(directory));
    }
    {
      using setgid = tree.open("setgid");
      setgid.setOwner(0, 7);
      setgid.setMode(0o2777);
    }
    made.push(...make("setgid"));
    {
      using acl = tree.open("acl");
      acl.setXattr("system.posix_acl_default", DEFAULT_ACL);
    }

    made.push(...make("acl"));

    for (const { path, status } of made) {
      const { uid, gid, mode } = tree.status(path) ?? {};
      assertEquals({ path, uid, gid, mode }, { path, ...status } as unknown);
    }
  },
});
