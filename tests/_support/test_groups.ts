import { walk } from "@std/fs";
import { join, toFileUrl } from "@std/path";
import { ROOT } from "./process.ts";

/** Directories below `tests/` whose tests share no state, such as variables or running programs. */
const GROUPS: readonly string[] = [
  "cache/moving",
  "cache/pulling",
  "cli/access",
  "cli/commands/containers",
  "cli/commands/files",
  "cli/commands/host",
  "cli/commands/images",
  "cli/commands/registry",
  "cli/frame",
  "cli/terminal",
  "layer/compression",
  "layer/extraction",
  "layer/tar",
  "layer/trees",
  "registry/auth",
  "registry/client",
  "registry/configuration",
  "registry/http1",
  "registry/server",
  "registry/transport",
  "spec",
  "store/content",
  "store/entries",
  "store/host",
  "store/moving",
  "store/overlay",
  "store/serving",
  "store/unpacking",
];

/**
 * Writes a module for each group of test files, which imports them. `deno test` starts a worker for
 * each file, which takes half a second, as long as all tests of most files.
 *
 * @param directory Directory of the modules.
 * @returns The modules of all tests: those of the groups, and the other test files.
 */
export async function groupTests(directory: string): Promise<readonly string[]> {
  const tests = join(ROOT, "tests");
  const files = await Array.fromAsync(
    walk(tests, { match: [/_test\.ts$/], includeDirs: false }),
    ({ path }) => path,
  );
  const groupOf = (path: string) =>
    GROUPS.find((group) => path.startsWith(join(tests, group, "/")));
  const groups = Map.groupBy(files.toSorted(), groupOf);
  const modules = await Promise.all(GROUPS.map(async (group) => {
    const imports = groups.get(group)?.map((path) => `import "${toFileUrl(path)}";\n`) ?? [];
    const module = join(directory, `${group.replaceAll("/", "_")}_test.ts`);
    await Deno.writeTextFile(module, imports.join(""));
    return module;
  }));
  return [...modules, ...groups.get(undefined) ?? [], join(ROOT, "examples")];
}
