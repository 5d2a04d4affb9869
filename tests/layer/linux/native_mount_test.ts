import { assertEquals, assertThrows } from "@std/assert";
import { mountsBelow } from "../../../layer/linux/mount_table.ts";
import { mountTmpfs, unmountTargets } from "../../../layer/linux/native_mount.ts";
import { mountTest } from "../../_support/mounting.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

mountTest("unmountTargets() unmounts all targets before it calls onWarning", async () => {
  await using directory = await makeTempDir();
  const targets = ["a", "b"].map((name) => directory.join(name));
  try {
    const files = [];
    for (const target of targets) {
      await Deno.mkdir(target);
      mountTmpfs(target);
      files.push(await Deno.create(`${target}/file`));
    }

    assertThrows(
      () =>
        unmountTargets(targets, "Cannot unmount", (message) => {
          throw new TypeError(message);
        }),
      TypeError,
      "is still in use",
    );
    for (const file of files) file.close();

    assertEquals(mountsBelow(directory.path), []);
  } finally {
    unmountTree(directory.path);
  }
});
