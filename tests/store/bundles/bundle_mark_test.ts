import { assertEquals, assertThrows } from "@std/assert";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { nativeError } from "../../../layer/linux/native_error.ts";
import { makeMark, MARK, readMark } from "../../../store/bundles/_bundle_mark.ts";
import { BundleError } from "../../../store/mod.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

const ID = "0b5d5c1e-0000-4000-8000-000000000000";

Deno.test.each([1, 38, 95])(
  "makeMark() reports a file system without symlinks: errno %i",
  async (errno) => {
    await using dir = await makeTempDir();
    using tree = openFileTree(dir.path);
    tree.makeSymlink = (path) => {
      throw nativeError(errno, "symlinkat", path);
    };

    const error = assertThrows(() => makeMark(tree, ID, dir.path), BundleError, "symlinks");

    assertEquals([error.code, error.path, error.subject], ["output", dir.path, dir.path]);
    assertEquals(error.advice, "Choose a directory on another file system");
  },
);

posixTest("makeMark() reports that the name is taken", async () => {
  await using dir = await makeTempDir();
  using tree = openFileTree(dir.path);

  assertEquals(makeMark(tree, ID, dir.path), true);
  assertEquals(makeMark(tree, crypto.randomUUID(), dir.path), false);
  assertEquals([readMark(tree), await Deno.readLink(dir.join(MARK))], [ID, ID]);
});
