import { assertEquals, assertThrows } from "@std/assert";
import { openFileTree } from "../../../layer/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import { RootFiles } from "../../../store/bundles/_root_files.ts";
import "../../_support/native_backend.ts";
import { ROOT, run } from "../../_support/process.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test("RootFiles reads text files of up to 10 MiB", async () => {
  await using dir = await makeTempDir();
  await Deno.mkdir(dir.join("etc"));
  const line = "last:x:7:7::/:\n";
  const size = 10 * 1024 * 1024;
  await Deno.writeTextFile(dir.join("etc/passwd"), line.padStart(size, "#\n"));
  await Deno.writeTextFile(dir.join("etc/group"), line.padStart(size + 1, "#\n"));
  using tree = openFileTree(dir.path);

  assertEquals(new RootFiles(tree).readText("/etc/passwd").length, size);
  assertThrows(() => new RootFiles(tree).readText("/etc/group"), LimitError, "10485760 bytes");
});

linuxTest("RootFiles creates missing directories of volumes in the root only", async () => {
  await using dir = await makeTempDir();
  const root = dir.join("root");
  await Deno.mkdir(`${root}/there`, { recursive: true });
  await Deno.writeTextFile(`${root}/file`, "x");
  await Deno.writeTextFile(`${root}/there/kept`, "x");
  await Deno.symlink("/linked/target", `${root}/link`);
  await Deno.symlink("../../..", `${root}/out`);
  using tree = openFileTree(root);

  new RootFiles(tree).ensureVolumeDirectories([
    ...["/data/deep", "relative", "/there", "/file", "/file/below", "/link", "/out/escaped"],
    ...["../above", "", "/"],
  ]);

  const paths = ["data", "data/deep", "relative", "linked/target", "escaped", "above"];
  for (const path of paths) {
    const { isDirectory, mode, mtime } = await Deno.lstat(`${root}/${path}`);
    assertEquals({ path, isDirectory, mode: (mode ?? 0) & 0o7777, mtime: mtime?.getTime() }, {
      path,
      isDirectory: true,
      mode: 0o755,
      mtime: 0,
    });
  }
  assertEquals(await Deno.readTextFile(`${root}/file`), "x");
  assertEquals(await Deno.readTextFile(`${root}/there/kept`), "x");
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name), ["root"]);
});

linuxTest("RootFiles creates a limited number of levels of volumes", async () => {
  await using dir = await makeTempDir();
  using tree = openFileTree(dir.path);

  new RootFiles(tree).ensureVolumeDirectories(
    Array.from({ length: 30 }, (_, i) => `${i}${"/a".repeat(63)}`),
  );

  const names = await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name);
  assertEquals(names.length, 16);
});

linuxTest("RootFiles limits the symlinks of all lookups", async () => {
  await using dir = await makeTempDir();
  await Deno.mkdir(dir.join("a"));
  for (let i = 0; i < 40; i++) {
    await Deno.symlink(`${"a/../".repeat(800)}${i < 39 ? `l${i + 1}` : "a"}`, dir.join(`l${i}`));
  }
  using tree = openFileTree(dir.path);
  const files = new RootFiles(tree);

  assertEquals(files.realDirectory("/l0"), "a");
  for (
    const follow of [
      () => files.ensureVolumeDirectories(["/l0/v"]),
      () => files.followMountPath("/l1"),
      () => files.mayBeDirectory("/l1"),
      () => files.readText("/l1"),
    ]
  ) assertThrows(follow, LimitError, "65536 components in the targets of symlinks");
});

linuxTest(
  "files of images are read and created in inaccessible directories, whose modes are restored",
  async () => {
    await using dir = await makeTempDir();
    await Deno.chmod(dir.path, 0o777);

    const child = await run(Deno.execPath(), [
      ...["run", "-A", "--no-check", `--config=${ROOT}/deno.json`],
      ...[`${ROOT}/tests/store/bundles/_use_closed_directory.ts`, dir.path],
    ], { inheritEnv: true });

    assertEquals(child.code, 0, child.stderr);
    assertEquals(JSON.parse(child.stdout), { text: "text", modes: [0, 0, 0, 0o755] });
  },
);
