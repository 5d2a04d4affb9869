import { assert, assertEquals } from "@std/assert";
import { walk } from "@std/fs";
import { basename, dirname, join, relative } from "@std/path";
import { importsOf, withoutComments } from "./_support/imports.ts";
import { ROOT } from "./_support/process.ts";

/** Which folders the modules of a folder may import from; `""` is the project's own directory. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  spec: [],
  layer: ["spec"],
  registry: ["spec"],
  store: ["spec", "layer", "registry"],
  cache: ["spec", "layer", "registry", "store"],
  cli: ["", "spec", "layer", "registry", "store", "cache"],
  "": ["spec", "layer", "registry", "store", "cache", "cli"],
};

/** What the tests alone may use. */
const TEST_ONLY = ["@std/assert", "fast-check", "@cfworker/json-schema"];

interface Module {
  readonly path: string;
  readonly folder: string;
  readonly source: string;
  readonly imports: readonly string[];
}

async function publishedModules(): Promise<readonly Module[]> {
  const modules: Module[] = [];
  for (const folder of Object.keys(ALLOWED)) {
    const maxDepth = folder === "" ? 1 : Infinity;
    for await (const { path } of walk(join(ROOT, folder), { exts: ["ts"], maxDepth })) {
      const source = await Deno.readTextFile(path);
      modules.push({ path: relative(ROOT, path), folder, source, imports: importsOf(source) });
    }
  }
  return modules;
}

const modules = await publishedModules();

/** A relative specifier as a path from the project's directory. */
function resolve(module: Module, specifier: string): string {
  return relative(ROOT, join(ROOT, dirname(module.path), specifier));
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/** Each import that a rule refuses, as `module -> specifier`. */
function refused(rule: (module: Module, specifier: string) => boolean): readonly string[] {
  return modules.flatMap((module) =>
    module.imports.filter((specifier) => rule(module, specifier))
      .map((specifier) => `${module.path} -> ${specifier}`)
  );
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith(".");
}

Deno.test("the folders hold modules, and their imports are found", () => {
  assert(modules.some(({ folder }) => folder === "spec"));
  assert(modules.some(({ imports }) => imports.includes("../spec/digest.ts")));
});

Deno.test("imports between folders go one way", () => {
  const wrong = refused((module, specifier) => {
    if (!isRelative(specifier)) return false;
    const path = resolve(module, specifier);
    // The version stands there, and nothing that runs.
    if (path === "deno.json") return false;
    const target = folderOf(path);
    return target !== module.folder && !ALLOWED[module.folder]?.includes(target);
  });

  assertEquals(wrong, []);
});

Deno.test("what a module imports, it takes from the file that has it", () => {
  // Entry points are for who uses the package: each loads all of its folder.
  const wrong = refused((module, specifier) =>
    module.path !== "mod.ts" && isRelative(specifier) &&
    basename(resolve(module, specifier)) === "mod.ts"
  );

  assertEquals(wrong, []);
});

Deno.test("a file that begins with an underscore is imported from its own folder alone", () => {
  const wrong = refused((module, specifier) => {
    const path = resolve(module, specifier);
    if (!isRelative(specifier) || !/(?:^|\/)_[^/]*$/.test(path)) return false;
    // What a folder keeps to itself serves the folders in it, too.
    return !`${dirname(module.path)}/`.startsWith(`${dirname(path)}/`);
  });

  assertEquals(wrong, []);
});

Deno.test("spec imports nothing but node:crypto", () => {
  const wrong = refused(({ folder }, specifier) =>
    folder === "spec" && !isRelative(specifier) && specifier !== "node:crypto"
  );

  assertEquals(wrong, []);
});

Deno.test("what is published imports nothing that the tests alone need", () => {
  const wrong = refused((module, specifier) =>
    TEST_ONLY.some((name) => specifier === name || specifier.startsWith(`${name}/`)) ||
    isRelative(specifier) && folderOf(resolve(module, specifier)) === "tests"
  );

  assertEquals(wrong, []);
});

Deno.test("every other import is of node, or of a package in deno.json", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const wrong = refused((_, specifier) => {
    if (isRelative(specifier) || specifier.startsWith("node:")) return false;
    // A hundred modules where two are meant.
    if (specifier === "@std/path") return true;
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? "";
    return !Object.hasOwn(imports, name);
  });

  assertEquals(wrong, []);
});

Deno.test("what is published writes nothing to the console", () => {
  const wrong = modules.filter(({ source }) => /\bconsole\b/.test(withoutComments(source)))
    .map(({ path }) => path);

  assertEquals(wrong, []);
});
