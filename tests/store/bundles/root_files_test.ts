import { assertEquals, assertThrows } from "@std/assert";
import { openFileTree } from "../../../layer/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import { readRootText } from "../../../store/bundles/_root_files.ts";
import "../../_support/native_backend.ts";
import { ROOT, run } from "../../_support/process.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test("readRootText() reads up to 10 MiB", async () => {
  await using dir = await makeTempDir();
  await Deno.mkdir(dir.join("etc"));
  const line = "last:x:7:7::/:\n";
  const size = 10 * 1024 * 1024;
  await Deno.writeTextFile(dir.join("etc/passwd"), line.padStart(size, "#\n"));
  await Deno.writeTextFile(dir.join("etc/group"), line.padStart(size + 1, "#\n"));
  using tree = openFileTree(dir.path);

  assertEquals(readRootText(tree, "/etc/passwd").length, size);
  assertThrows(() => readRootText(tree, "/etc/group"), LimitError, "10485760 bytes");
});

linuxTest(
  "readRootText() reads in directories without access, and restores their modes",
  async () => {
    await using dir = await makeTempDir();
    await Deno.chmod(dir.path, 0o777);

    const child = await run(Deno.execPath(), [
      ...["run", "-A", "--no-check", `--config=${ROOT}/deno.json`],
      ...[`${ROOT}/tests/store/bundles/_read_closed_directory.ts`, dir.path],
    ], { inheritEnv: true });

    assertEquals(child.code, 0, child.stderr);
    assertEquals(JSON.parse(child.stdout), { text: "text", modes: [0, 0, 0] });
  },
);
