import { assertEquals, assertRejects } from "@std/assert";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { copyTree } from "../../../layer/trees/copy_tree.ts";
import { EntryCopier } from "../../../layer/trees/entry_copier.ts";
import { withCode } from "../../../spec/error_facts.ts";
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

  await copyTree(tree, "from", tree, "to", { copier });

  const copyAgain = () => copyTree(tree, "from", tree, "again", { copier });
  await assertRejects(copyAgain, LimitError, `more than ${MAX_ENTRIES} entries in copies`);
});

for (const backend of [undefined, "pure"] as const) {
  Deno.test(`copyTree() keeps hard links with the ${backend ?? "default"} backend`, async () => {
    await using directory = await makeTempDir();
    await Deno.mkdir(directory.join("from/sub"), { recursive: true });
    await Deno.writeTextFile(directory.join("from/a"), "a");
    await Deno.link(directory.join("from/a"), directory.join("from/sub/b"));
    await Deno.link(directory.join("from/a"), directory.join("outside"));
    using tree = openFileTree(directory.path, { backend });

    await copyTree(tree, "from", tree, "to");

    const [a, b] = [tree.status("to/a"), tree.status("to/sub/b")];
    assertEquals([a?.nlink, a?.ino], [2, b?.ino]);
    assertEquals(await Deno.readTextFile(directory.join("to/sub/b")), "a");
  });
}

Deno.test("copyTree() copies the names of a file where there are no hard links", async () => {
  await using directory = await makeTempDir();
  await Deno.mkdir(directory.join("from"));
  await Deno.writeTextFile(directory.join("from/a"), "a");
  await Deno.link(directory.join("from/a"), directory.join("from/b"));
  using tree = openFileTree(directory.path);
  using target = openFileTree(directory.path);
  target.makeLink = () => {
    throw withCode(new Deno.errors.NotSupported("no hard links"), "EOPNOTSUPP");
  };

  await copyTree(tree, "from", target, "to");

  assertEquals(await Deno.readTextFile(directory.join("to/a")), "a");
  assertEquals(await Deno.readTextFile(directory.join("to/b")), "a");
});

Deno.test("copyTree() lets other tasks abort it, and restores the modes of the source", async () => {
  await using directory = await makeTempDir();
  await Deno.mkdir(directory.join("from"));
  for (let i = 0; i < 1000; i++) await Deno.writeTextFile(directory.join(`from/${i}`), "");
  await Deno.chmod(directory.join("from"), 0o500);
  using tree = openFileTree(directory.path);
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("enough")), 0);

  const copying = copyTree(tree, "from", tree, "to", { signal: controller.signal });

  await assertRejects(() => copying, Error, "enough");
  assertEquals(tree.status("from")?.mode, 0o500);
});
