import { assert, assertEquals } from "@std/assert";
import { walk } from "@std/fs";
import { basename, dirname, join, relative } from "@std/path";
import { importsOf, withoutComments } from "./_support/imports.ts";
import { ROOT } from "./_support/process.ts";

/** Folders that the modules of a folder may import from; `""` is the directory of the project. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  spec: [],
  layer: ["spec"],
  registry: ["spec"],
  store: ["spec", "layer", "registry"],
  cache: ["spec", "layer", "registry", "store"],
  cli: ["", "spec", "layer", "registry", "store", "cache"],
  "": ["spec", "layer", "registry", "store", "cache", "cli"],
};

/** The folders that are divided into rooms. */
const HOUSES = ["spec", "layer", "registry", "store", "cache", "cli"];
/** Maximum number of files of a room, including its `mod.ts`. */
const MAX_ROOM_FILES = 26;
/** Maximum number of files of a divided folder that are in no room. */
const MAX_HALL_FILES = 10;
/** Maximum number of lines of a module, or of a file of tests. */
const MAX_LINES = 400;

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
    // It only contains the version.
    if (path === "deno.json") return false;
    const target = folderOf(path);
    return target !== module.folder && !ALLOWED[module.folder]?.includes(target);
  });

  assertEquals(wrong, []);
});

Deno.test("no files import each other in a circle", () => {
  const graph = new Map(modules.map((module) => [
    module.path,
    new Set(module.imports.filter(isRelative).map((specifier) => resolve(module, specifier))),
  ]));

  assertEquals(circles(graph), []);
});

Deno.test("no rooms import each other in a circle", () => {
  const graph = new Map<string, Set<string>>();
  // An entry point exports from all rooms, and no room imports it.
  for (const module of modules.filter(({ path }) => basename(path) !== "mod.ts")) {
    const room = dirname(module.path);
    const targets = graph.get(room) ?? new Set();
    graph.set(room, targets);
    for (const specifier of module.imports.filter(isRelative)) {
      const target = dirname(resolve(module, specifier));
      if (target !== room) targets.add(target);
    }
  }

  assertEquals(circles(graph), []);
});

Deno.test("circles() finds each circle once", () => {
  const graph = (edges: Record<string, string[]>) =>
    new Map(Object.entries(edges).map(([from, to]) => [from, new Set(to)]));

  assertEquals(circles(graph({ a: ["b", "c"], b: ["c"], c: ["d"] })), []);
  assertEquals(circles(graph({ a: ["b"], b: ["a"], c: ["c"], d: ["e"], e: ["f"], f: ["e"] })), [
    ["a", "b"],
    ["c"],
    ["e", "f"],
  ]);
});

Deno.test("imports stand in one order: packages, outer folders, own folder, then by path", () => {
  const depth = (specifier: string) =>
    isRelative(specifier) ? -specifier.split("../").length : -Infinity;
  const unordered = modules.filter(({ source }) => {
    const statements = /^import\s+(?:[^;"]*?\bfrom\s+)?"([^"]+)"/gm;
    const found = [...source.matchAll(statements)].map(([, specifier = ""]) => specifier);
    const ordered = found.toSorted((a, b) => depth(a) - depth(b) || (a < b ? -1 : +(a > b)));
    return found.some((specifier, index) => specifier !== ordered[index]);
  });

  assertEquals(unordered.map(({ path }) => path), []);
});

Deno.test("rooms are small, and few files are in none", () => {
  const inHouses = modules.filter(({ folder }) => HOUSES.includes(folder));
  const rooms = Map.groupBy(inHouses, ({ path }) => dirname(path));
  const limit = (room: string) => HOUSES.includes(room) ? MAX_HALL_FILES : MAX_ROOM_FILES;
  const large = [...rooms].filter(([room, files]) => files.length > limit(room))
    .map(([room, files]) => `${room}: ${files.length} files`);

  assertEquals(large, []);
});

Deno.test("modules have at most 400 lines", () => {
  const long = modules.map(({ path, source }) => ({ path, lines: source.split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES);

  assertEquals(long, []);
});

Deno.test("files of tests have at most 400 lines", async () => {
  const long: string[] = [];
  for await (const { path } of walk(join(ROOT, "tests"), { exts: ["ts"] })) {
    const lines = (await Deno.readTextFile(path)).split("\n").length - 1;
    if (lines > MAX_LINES) long.push(`${relative(ROOT, path)}: ${lines} lines`);
  }

  assertEquals(long, []);
});

/** The groups of nodes that reach each other, by Tarjan's algorithm; nodes are in order. */
function circles(
  graph: ReadonlyMap<string, ReadonlySet<string>>,
): readonly (readonly string[])[] {
  const found: string[][] = [];
  const indexes = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string): number => {
    const index = indexes.size;
    indexes.set(node, index);
    stack.push(node);
    let low = index;
    for (const target of graph.get(node) ?? []) {
      if (!indexes.has(target)) low = Math.min(low, visit(target));
      else if (stack.includes(target)) low = Math.min(low, indexes.get(target) ?? index);
    }
    if (low === index) {
      const group = stack.splice(stack.indexOf(node));
      if (group.length > 1 || graph.get(node)?.has(node)) found.push(group.sort());
    }
    return low;
  };
  for (const node of graph.keys()) if (!indexes.has(node)) visit(node);
  return found.sort();
}

Deno.test("a module imports each name from the file that defines it", () => {
  // Entry points are for users of the package: each loads all of its folder.
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
    // Private modules of a folder may also be used by its subfolders.
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

Deno.test("published modules import nothing from the tests", () => {
  const wrong = refused((module, specifier) =>
    isRelative(specifier) && folderOf(resolve(module, specifier)) === "tests"
  );

  assertEquals(wrong, []);
});

Deno.test("published modules import only relative paths and modules of node", () => {
  // An installed checkout has no import map, and a package would make the first start install
  // everything in the lock file.
  const wrong = refused((_, specifier) => !isRelative(specifier) && !specifier.startsWith("node:"));

  assertEquals(wrong, []);
});

Deno.test("deno compile includes every folder of modules that load lazily", async () => {
  const { compile: { include }, unstable } = await readConfig();
  const folders = new Set(modules.map(({ folder }) => folder).filter((folder) => folder !== ""));

  // With this setting, neither a start nor the compiler reads modules that are imported
  // dynamically.
  assert(unstable.includes("lazy-dynamic-imports"));
  assertEquals(include, [...folders].sort());
});

Deno.test.each([
  { name: "bcryptjs", path: "registry/server/htpasswd.ts" },
  { name: "@sigstore/bundle", path: "store/attachments/_identity_verifier.ts" },
  { name: "@sigstore/protobuf-specs", path: "store/attachments/_identity_verifier.ts" },
  { name: "@sigstore/tuf", path: "store/attachments/_identity_verifier.ts" },
  { name: "@sigstore/verify", path: "store/attachments/_identity_verifier.ts" },
])("$name has one version in deno.json and in the module that loads it", async (library) => {
  const specifier = (await readConfig()).imports[library.name];
  const loader = modules.find(({ path }) => path === library.path);

  assert(specifier !== undefined);
  assert(loader?.source.includes(`"${specifier}"`) || loader?.source.includes(`"${specifier}/`));
});

interface Config {
  readonly imports: Readonly<Record<string, string>>;
  readonly compile: { readonly include: readonly string[] };
  readonly unstable: readonly string[];
}

async function readConfig(): Promise<Config> {
  return JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
}

Deno.test("published modules write nothing to the console", () => {
  const wrong = modules.filter(({ source }) => /\bconsole\b/.test(withoutComments(source)))
    .map(({ path }) => path);

  assertEquals(wrong, []);
});
