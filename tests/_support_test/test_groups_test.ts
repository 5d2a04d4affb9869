import { assertEquals } from "@std/assert";
import { walk } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { ROOT } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";
import { groupTests } from "../_support/test_groups.ts";

Deno.test("groupTests() runs each test file once", async () => {
  await using temp = await makeTempDir();

  const modules = await groupTests(temp.path);

  const files = await Promise.all(modules.map(async (path) => {
    if (!path.startsWith(temp.path)) return [path];
    const imports = (await Deno.readTextFile(path)).matchAll(/^import "(.*)";$/gm);
    return [...imports].map(([, url = ""]) => fromFileUrl(url));
  }));
  const all = await Array.fromAsync(
    walk(join(ROOT, "tests"), { match: [/_test\.ts$/], includeDirs: false }),
    ({ path }) => path,
  );
  assertEquals(files.flat().sort(), [...all, join(ROOT, "examples")].sort());
});
