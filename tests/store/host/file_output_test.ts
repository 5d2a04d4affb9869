import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { OciError } from "../../../spec/mod.ts";
import { openFileOutput } from "../../../store/host/file_output.ts";
import { mountTest } from "../../_support/mounting.ts";
import { run } from "../../_support/process.ts";
import { linuxTest, posixTest } from "../../_support/skip.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

const OPTIONS = { prefix: ".oci-" };

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await openFileOutput(path, OPTIONS);
  await file.write(bytes);
  await file.commit();
}

mountTest(
  "openFileOutput() names the file if the disk is full, and leaves nothing behind",
  async () => {
    await using dir = await makeTempDir();
    await run("mount", ["-t", "tmpfs", "-o", "size=64k", "none", dir.path]);
    try {
      const path = dir.join("image.tar");
      const write = async () => {
        await using output = await openFileOutput(path, OPTIONS);
        await output.write(new Uint8Array(100_000));
      };

      const error = await assertRejects(
        write,
        OciError,
        `Cannot write "${path}": the disk is full`,
      );

      assertEquals((error.cause as { code?: unknown }).code, "ENOSPC");
      assertEquals(await Array.fromAsync(Deno.readDir(dir.path)), []);
    } finally {
      unmountTree(dir.path);
    }
  },
);

mountTest("openFileOutput() names the file if no inode is free", async () => {
  await using dir = await makeTempDir();
  await run("mount", ["-t", "tmpfs", "-o", "nr_inodes=1", "none", dir.path]);
  try {
    const open = () => openFileOutput(dir.join("image.tar"), OPTIONS);

    const error = await assertRejects(open, OciError);

    assertStringIncludes(error.message, "image.tar");
  } finally {
    unmountTree(dir.path);
  }
});

linuxTest("openFileOutput() names a full device", async () => {
  await using output = await openFileOutput("/dev/full", OPTIONS);

  await assertRejects(
    () => output.write(new Uint8Array(1)),
    OciError,
    'Cannot write "/dev/full": the disk is full',
  );
});

Deno.test("openFileOutput() makes a file visible only when it is complete", async () => {
  await using temp = await makeTempDir();
  const [kept, dropped] = [temp.join("kept"), temp.join("dropped")];
  await Deno.writeTextFile(kept, "what was there before");

  {
    await using file = await openFileOutput(kept, OPTIONS);
    await file.write(new TextEncoder().encode("new"));
    assertEquals(await Deno.readTextFile(kept), "what was there before");
    await file.commit();
  }
  {
    await using file = await openFileOutput(dropped, OPTIONS);
    await file.write(new TextEncoder().encode("half"));
  }

  assertEquals(await Deno.readTextFile(kept), "new");
  assertEquals((await Array.fromAsync(Deno.readDir(temp.path))).map(({ name }) => name), ["kept"]);
});

posixTest("openFileOutput() writes every byte to a pipe", async () => {
  await using temp = await makeTempDir();
  const pipe = temp.join("pipe");
  await run("mkfifo", [pipe]);
  const bytes = crypto.getRandomValues(new Uint8Array(65_536)).slice(0, 50_001);

  const [{ stdoutBytes }] = await Promise.all([run("cat", [pipe]), write(pipe, bytes)]);

  assertEquals(stdoutBytes, bytes);
});

posixTest("openFileOutput() stops waiting for the reader of a pipe", async () => {
  await using temp = await makeTempDir();
  const pipe = temp.join("pipe");
  await run("mkfifo", [pipe]);
  const reason = new Error("interrupted");

  const opened = assertRejects(() =>
    openFileOutput(pipe, { ...OPTIONS, signal: AbortSignal.abort(reason) })
  );

  assertEquals(await opened, reason);
  // The system call is still waiting. A reader ends it, and finds that the late file is closed.
  using reader = await Deno.open(pipe, { read: true });
  assertEquals(await reader.read(new Uint8Array(1)), null);
});

posixTest("openFileOutput() follows symlinks, even to a missing file", async () => {
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
  "openFileOutput() keeps the mode of a file, and applies the umask to a new one",
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

posixTest("openFileOutput() keeps a private file private while it is written", async () => {
  await using temp = await makeTempDir();
  await Deno.writeTextFile(temp.join("secret"), "", { mode: 0o600 });

  await using _output = await openFileOutput(temp.join("secret"), OPTIONS);

  for (const name of await namesIn(temp.path)) {
    assertEquals(((await Deno.stat(temp.join(name))).mode ?? 0) & 0o777, 0o600, name);
  }
});

posixTest.each([
  { name: "a/b/file", message: "its directory does not exist. Create the directory first" },
  { name: "", message: "it is a directory. Choose a file in it" },
])("openFileOutput($name) names the problem", async ({ name, message }) => {
  await using temp = await makeTempDir();
  const path = temp.join(name);

  await assertRejects(
    () => openFileOutput(path, OPTIONS),
    OciError,
    `Cannot write "${path}": ${message}`,
  );
});
