import { assertEquals, assertRejects } from "@std/assert";
import { openOutputFile } from "../../../cli/terminal/output_file.ts";
import { OciError } from "../../../spec/mod.ts";
import { run } from "../../_support/process.ts";
import { linuxTest, posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await openOutputFile(path);
  await file.output.bytes(bytes);
  await file.finish();
}

Deno.test("openOutputFile() shows a file when it is complete, and nothing else", async () => {
  await using temp = await makeTempDir();
  const [kept, dropped] = [temp.join("kept"), temp.join("dropped")];
  await Deno.writeTextFile(kept, "what was there before");

  {
    await using file = await openOutputFile(kept);
    await file.output.text("new");
    assertEquals(await Deno.readTextFile(kept), "what was there before");
    await file.finish();
  }
  {
    await using file = await openOutputFile(dropped);
    await file.output.text("half");
  }

  assertEquals(await Deno.readTextFile(kept), "new\n");
  assertEquals((await Array.fromAsync(Deno.readDir(temp.path))).map(({ name }) => name), ["kept"]);
});

posixTest("openOutputFile() writes every byte to a pipe", async () => {
  await using temp = await makeTempDir();
  const pipe = temp.join("pipe");
  await run("mkfifo", [pipe]);
  const bytes = crypto.getRandomValues(new Uint8Array(65_536)).slice(0, 50_001);

  const [{ stdoutBytes }] = await Promise.all([run("cat", [pipe]), write(pipe, bytes)]);

  assertEquals(stdoutBytes, bytes);
});

linuxTest("openOutputFile() names a full file once", async () => {
  const error = await assertRejects(() => write("/dev/full", new Uint8Array(1)), OciError);

  assertEquals(error.problem, "the disk is full");
  assertEquals(error.action, 'write "/dev/full"');
});

posixTest("openOutputFile() stops waiting for the reader of a pipe", async () => {
  await using temp = await makeTempDir();
  const pipe = temp.join("pipe");
  await run("mkfifo", [pipe]);
  const reason = new Error("interrupted");

  const opened = assertRejects(() => openOutputFile(pipe, AbortSignal.abort(reason)));

  assertEquals(await opened, reason);
  // The system still waits: a reader lets it go, and sees that what was opened late is closed.
  using reader = await Deno.open(pipe, { read: true });
  assertEquals(await reader.read(new Uint8Array(1)), null);
});

posixTest("openOutputFile() follows links, to what is not there yet, too", async () => {
  await using temp = await makeTempDir();
  await Deno.mkdir(temp.join("d"));
  await Deno.writeTextFile(temp.join("d/old"), "old");
  await Deno.symlink("d/old", temp.join("to-old"));
  await Deno.symlink("link", temp.join("to-new"));
  await Deno.symlink("d/new", temp.join("link"));

  await write(temp.join("to-old"), new Uint8Array([0x41]));
  await write(temp.join("to-new"), new Uint8Array([0x42]));

  assertEquals(await Deno.readTextFile(temp.join("d/old")), "A");
  assertEquals(await Deno.readTextFile(temp.join("d/new")), "B");
  assertEquals(await Deno.readLink(temp.join("to-old")), "d/old");
  assertEquals(await Deno.readLink(temp.join("link")), "d/new");
});

posixTest(
  "openOutputFile() keeps a mode, and makes one as the user has it",
  async () => {
    await using temp = await makeTempDir();
    const [secret, fresh] = [temp.join("secret"), temp.join("fresh")];
    await Deno.writeTextFile(secret, "", { mode: 0o600 });

    await write(secret, new Uint8Array(1));
    await write(fresh, new Uint8Array(1));

    assertEquals(((await Deno.stat(secret)).mode ?? 0) & 0o7777, 0o600);
    assertEquals(((await Deno.stat(fresh)).mode ?? 0) & 0o7777, 0o666 & ~Deno.umask());
  },
);

posixTest.each([
  { name: "a/b/file", message: "its directory does not exist. Create the directory first" },
  { name: "", message: "it is a directory. Choose a file in it" },
])("openOutputFile($name) says what is wrong", async ({ name, message }) => {
  await using temp = await makeTempDir();
  const path = temp.join(name);

  await assertRejects(() => openOutputFile(path), OciError, `Cannot write "${path}": ${message}`);
});
