import { assertEquals } from "@std/assert";
import { walk } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { ROOT } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";
import { groupTests } from "../_support/test_groups.ts";

Deno.test("groupTests() imports each test file of the directories that it leaves out", async () => {
  await using temp = await makeTempDir();

  const [ignore = "", tests = "", examples, ...modules] = await groupTests(temp.path);

  const ignored = ignore.replace("--ignore=", "").split(",");
  const files = await Array.fromAsync(
    walk(tests, { match: [/_test\.ts$/], includeDirs: false }),
    ({ path }) => path,
  );
  const imported = (await Promise.all(modules.map((path) => Deno.readTextFile(path)))).join("")
    .matchAll(/^import "(.*)";$/gm).map(([, url = ""]) => fromFileUrl(url));
  const grouped = files.filter((path) => ignored.some((folder) => path.startsWith(`${folder}/`)));
  assertEquals([tests, examples], [join(ROOT, "tests"), join(ROOT, "examples")]);
  assertEquals([...imported].sort(), grouped.sort());
});
