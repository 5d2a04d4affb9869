import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { unmountTree } from "../../../layer/linux/unmount.ts";
import { OciError } from "../../../spec/mod.ts";
import { openFileOutput } from "../../../store/host/file_output.ts";
import { mountTest } from "../../_support/mounting.ts";
import { run } from "../../_support/process.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

mountTest(
  "openFileOutput() names the file for which the disk is full, and leaves nothing",
  async () => {
    await using dir = await makeTempDir();
    await run("mount", ["-t", "tmpfs", "-o", "size=64k", "none", dir.path]);
    try {
      const path = dir.join("image.tar");
      const write = async () => {
        await using output = await openFileOutput(path, { prefix: ".oci-" });
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

mountTest("openFileOutput() names a file without a free inode", async () => {
  await using dir = await makeTempDir();
  await run("mount", ["-t", "tmpfs", "-o", "nr_inodes=1", "none", dir.path]);
  try {
    const open = () => openFileOutput(dir.join("image.tar"), { prefix: ".oci-" });

    const error = await assertRejects(open, OciError);

    assertStringIncludes(error.message, "image.tar");
  } finally {
    unmountTree(dir.path);
  }
});

linuxTest("openFileOutput() names a full device", async () => {
  await using output = await openFileOutput("/dev/full", { prefix: ".oci-" });

  await assertRejects(
    () => output.write(new Uint8Array(1)),
    OciError,
    'Cannot write "/dev/full": the disk is full',
  );
});
