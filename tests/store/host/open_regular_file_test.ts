import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { openRegularFile } from "../../../store/host/open_regular_file.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

const CHILD = fromFileUrl(new URL("./_open_swapped.ts", import.meta.url));

/** A directory that others can write to, with a file in it. */
async function openDirectory(): Promise<TempDir> {
  const directory = await makeTempDir();
  await Deno.chmod(directory.path, 0o777);
  await Deno.writeTextFile(directory.join("file"), "0123456789");
  return directory;
}

linuxTest(
  "openRegularFile() does not wait for a FIFO that takes the place of a file",
  async () => {
    await using directory = await openDirectory();
    const [path, fifo] = [directory.join("file"), directory.join("fifo")];
    await run("mkfifo", [fifo]);

    const { stdout, stderr } = await run(
      Deno.execPath(),
      ["run", "-A", "--quiet", `--config=${ROOT}/deno.json`, CHILD, path, fifo],
      { env: await denoEnvironment(), timeoutMs: 60_000 },
    );

    assertEquals([stdout, stderr], ["special\n", ""]);
  },
);

linuxTest("openRegularFile() reads a file in a directory that others can write to", async () => {
  await using directory = await openDirectory();
  using opened = openRegularFile(directory.join("file"), { foreign: true });
  if (opened === undefined) throw new Error("there is no file");
  const { file, info } = opened;
  const buffer = new Uint8Array(4);
  const text = (count: number | null) => new TextDecoder().decode(buffer.subarray(0, count ?? 0));

  assertEquals([info.size, info.isFile], [10, true]);
  assertEquals(text(await file.read(buffer)), "0123");
  assertEquals(text(file.readSync(buffer)), "4567");
  assertEquals(text(await file.read(buffer)), "89");
  assertEquals(await file.read(buffer), null);
  assertEquals(file.readSync(buffer), null);
  await file.seek(3, Deno.SeekMode.Start);
  assertEquals(text(await file.read(buffer)), "3456");
});
