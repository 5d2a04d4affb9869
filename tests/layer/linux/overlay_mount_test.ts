import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parseIdMap, readIdMaps } from "../../../layer/extraction/id_map.ts";
import { mountsBelow, parseMountTable, readMounts } from "../../../layer/linux/mount_table.ts";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import { MAX_OVERLAY_LOWERS, mountOverlay } from "../../../layer/linux/overlay_mount.ts";
import { LimitError } from "../../../spec/mod.ts";
import { mountTest } from "../../_support/mounting.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

/** Directories to mount over each other, the first one with a file `top`. */
async function makeLowers(base: string, count: number): Promise<readonly string[]> {
  const lowers = Array.from({ length: count }, (_, i) => `${base}/${String(i).padStart(8, "l")}`);
  for (const lower of lowers) await Deno.mkdir(lower, { recursive: true });
  await Deno.writeTextFile(`${lowers[0]}/top`, "top");
  await Deno.writeTextFile(`${lowers.at(-1)}/top`, count === 1 ? "top" : "bottom");
  await Deno.writeTextFile(`${lowers.at(-1)}/bottom`, "bottom");
  await Deno.mkdir(`${base}/view`);
  await Deno.mkdir(`${base}/upper`);
  await Deno.mkdir(`${base}/work`);
  return lowers;
}

/** A temporary directory that unmounts everything in it. */
async function makeMountDir(): Promise<TempDir> {
  const directory = await makeTempDir({ large: true });
  return {
    ...directory,
    async [Symbol.asyncDispose]() {
      unmountTree(directory.path);
      await directory[Symbol.asyncDispose]();
    },
  };
}

mountTest.each(
  [
    { count: 1, call: "fsconfig" },
    { count: 1, call: "mount" },
    { count: 100, call: "fsconfig" },
    { count: 100, call: "mount" },
    { count: 420, call: "mount" },
    { count: MAX_OVERLAY_LOWERS, call: "fsconfig" },
    { count: MAX_OVERLAY_LOWERS, call: undefined },
  ] as const,
)("mountOverlay() mounts $count directories with $call", async (mount) => {
  await using directory = await makeMountDir();
  const lowers = await makeLowers(directory.path, mount.count);
  const view = directory.join("view");
  const cwd = Deno.cwd();

  mountOverlay(lowers, view, {
    writable: { upper: directory.join("upper"), work: directory.join("work") },
    call: mount.call,
  });

  assertEquals(await Deno.readTextFile(`${view}/top`), "top");
  assertEquals(await Deno.readTextFile(`${view}/bottom`), "bottom");
  await Deno.writeTextFile(`${view}/new`, "new");
  assertEquals(await Deno.readTextFile(directory.join("upper", "new")), "new");
  assertEquals(Deno.cwd(), cwd);
});

mountTest.each(
  [
    { name: "a:b,c", call: "fsconfig" },
    { name: "a:b,c", call: "mount" },
    { name: "a\\b é", call: "fsconfig" },
    { name: "a\\b é", call: "mount" },
    { name: `${"x".repeat(200)}/${"y".repeat(200)}`, call: "fsconfig" },
    { name: `${"x".repeat(200)}/${"y".repeat(200)}`, call: "mount" },
  ] as const,
)("mountOverlay() accepts a path with $name with $call", async (mount) => {
  await using directory = await makeMountDir();
  const base = directory.join(mount.name);
  await Deno.mkdir(base, { recursive: true });
  const lowers = await makeLowers(base, 40);

  mountOverlay(lowers, `${base}/view`, {
    writable: { upper: `${base}/upper`, work: `${base}/work` },
    call: mount.call,
  });

  assertEquals(await Deno.readTextFile(`${base}/view/top`), "top");
  assert(readMounts().some(({ target, type }) => target === `${base}/view` && type === "overlay"));
});

mountTest("mountOverlay() rejects the 501st directory", async () => {
  await using directory = await makeMountDir();
  const lowers = Array.from({ length: 501 }, (_, i) => directory.join(String(i)));

  const error = assertThrows(() => mountOverlay(lowers, directory.path), LimitError);

  assertEquals([error.max, error.value], [500, 501]);
});

mountTest("mountOverlay() reports options that are too long for old kernels", async () => {
  await using directory = await makeMountDir();
  const lowers = await makeLowers(directory.path, 500);

  assertThrows(
    () => mountOverlay(lowers, directory.join("view"), { call: "mount" }),
    LimitError,
    "because this kernel lacks",
  );
});

mountTest("mountOverlay() reports the kernel's explanation", async () => {
  await using directory = await makeMountDir();
  const [lower = ""] = await makeLowers(directory.path, 1);

  // A fact that the bundler relies on: a directory must not occur twice.
  const error = assertThrows(() => mountOverlay([lower, lower], directory.join("view")));

  assertStringIncludes((error as Error).message, "Too many levels of symbolic links");
  assertEquals(mountsBelow(directory.path), []);
});

mountTest("mountTmpfs() limits the size", async () => {
  await using directory = await makeMountDir();
  const path = directory.join("memory");
  await Deno.mkdir(path);

  mountTmpfs(path, { sizeBytes: 65_536 });

  assertEquals((await Deno.stat(path)).mode, 0o40700);
  await assertRejects(() => Deno.writeFile(`${path}/file`, new Uint8Array(131_072)));
});

Deno.test("mountTmpfs() rejects invalid sizes", () => {
  assertThrows(() => mountTmpfs("/nowhere", { sizeBytes: 0 }), RangeError, "sizeBytes");
});

mountTest("unmountTree() unmounts stacked and nested mounts", async () => {
  await using directory = await makeMountDir();
  await Deno.mkdir(directory.join("a"));
  mountTmpfs(directory.join("a"));
  await Deno.mkdir(directory.join("a", "b"));
  mountTmpfs(directory.join("a", "b"));
  mountTmpfs(directory.join("a", "b"));

  unmountTree(directory.path);

  assertEquals(mountsBelow(directory.path), []);
});

mountTest("unmountTree() detaches busy mounts with a warning", async () => {
  await using directory = await makeMountDir();
  await Deno.mkdir(directory.join("a"));
  mountTmpfs(directory.join("a"));
  using _file = await Deno.create(directory.join("a", "file"));
  const warnings: string[] = [];

  unmountTree(directory.path, (message) => warnings.push(message));

  assertEquals(warnings.length, 1);
  assertEquals(mountsBelow(directory.path), []);
});

mountTest("unmountTree() keeps a sibling whose name has the same prefix", async () => {
  await using directory = await makeMountDir();
  await Deno.mkdir(directory.join("box"));
  await Deno.mkdir(directory.join("box2"));
  mountTmpfs(directory.join("box2"));

  unmountTree(directory.join("box"));

  assert(readMounts().some(({ target }) => target === directory.join("box2")));
});

Deno.test("readMounts() decodes escaped names", () => {
  const table =
    "36 35 98:0 / /mnt/a\\040b\\134c rw,noatime master:1 shared:2 - ext3 /dev/root rw\n" +
    "40 36 0:30 / /plain rw - overlay overlay rw,lowerdir=a\n";

  assertEquals(parseMountTable(table), [
    { id: 36, target: "/mnt/a b\\c", type: "ext3", device: "98:0", source: "/dev/root" },
    { id: 40, target: "/plain", type: "overlay", device: "0:30", source: "overlay" },
  ]);
});

Deno.test("readIdMaps() reads ranges", () => {
  assertEquals(parseIdMap("         0       1000          1\n         1     100000      65536\n"), [
    { containerId: 0, hostId: 1000, size: 1 },
    { containerId: 1, hostId: 100_000, size: 65_536 },
  ]);
  assert(Deno.build.os !== "linux" || (readIdMaps()?.uids.length ?? 0) > 0);
});
