import { assertThrows } from "@std/assert";
import { copyTree } from "../../../layer/trees/copy_tree.ts";
import { EntryCopier } from "../../../layer/trees/entry_copier.ts";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { LimitError } from "../../../spec/errors.ts";
import { makeTempDir } from "../../_support/temp.ts";

const MAX_ENTRIES = 2_000_000;

Deno.test("copyTree() limits the entries of all copies with a copier, also directories", async () => {
  await using directory = await makeTempDir();
  await Deno.mkdir(directory.join("from/a"), { recursive: true });
  await Deno.writeTextFile(directory.join("from/b"), "");
  using tree = openFileTree(directory.path);
  const copier = new EntryCopier();
  for (let i = 0; i < MAX_ENTRIES - 5; i++) copier.count("");

  copyTree(tree, "from", tree, "to", copier);

  const copyAgain = () => copyTree(tree, "from", tree, "again", copier);
  assertThrows(copyAgain, LimitError, `more than ${MAX_ENTRIES} entries in copies`);
});
