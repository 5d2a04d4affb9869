import { walk } from "@std/fs";
import { join, toFileUrl } from "@std/path";
import { ROOT } from "./process.ts";

/** Directories below `tests/` whose tests share no state, such as variables or running programs. */
const GROUPS: readonly string[] = [
  "cli/access",
  "cli/frame",
  "cli/terminal",
  "layer/compression",
  "layer/tar",
  "registry/auth",
  "registry/client",
  "registry/configuration",
  "registry/http1",
  "registry/server",
  "registry/transport",
  "spec",
  "store/host",
];

/**
 * Writes a module for each group of test files, which imports them. `deno test` starts a worker for
 * each file, which takes half a second, as long as all tests of most files.
 *
 * @param directory Directory of the modules.
 * @returns Arguments of `deno test` that run all tests.
 */
export async function groupTests(directory: string): Promise<readonly string[]> {
  const modules = await Promise.all(GROUPS.map(async (group) => {
    const files = walk(join(ROOT, "tests", group), { match: [/_test\.ts$/], includeDirs: false });
    const imports = await Array.fromAsync(files, ({ path }) => `import "${toFileUrl(path)}";\n`);
    const module = join(directory, `${group.replaceAll("/", "_")}_test.ts`);
    await Deno.writeTextFile(module, imports.toSorted().join(""));
    return module;
  }));
  const ignored = GROUPS.map((group) => join(ROOT, "tests", group)).join();
  return [`--ignore=${ignored}`, join(ROOT, "tests"), join(ROOT, "examples"), ...modules];
}
