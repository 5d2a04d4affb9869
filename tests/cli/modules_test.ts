import { assert, assertEquals } from "@std/assert";
import { toFileUrl } from "@std/path";
import { ROOT, run } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";

/** The part of the output of `deno info --json` that describes the imports of a module. */
interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly isDynamic?: boolean;
  }[];
}

const PROJECT = `${toFileUrl(ROOT)}/`;
const CLI = `${PROJECT}cli/`;
const modules = await importedModules();

/** Returns the static imports of each module, without types. */
async function importedModules(): Promise<ReadonlyMap<string, readonly string[]>> {
  await using dir = await makeTempDir();
  // The specifiers of the command line and its commands are computed, so `mod.ts` does not lead to
  // them.
  const table = await Deno.readTextFile(new URL("commands.ts", CLI));
  const commands = [...table.matchAll(/\["(\w+\/\w+)",/g)]
    .map(([, path]) => `${CLI}commands/${path}.ts`);
  const roots = [`${PROJECT}mod.ts`, `${CLI}main.ts`, ...commands];
  const all = dir.join("all.ts");
  await Deno.writeTextFile(all, roots.map((root) => `import "${root}";\n`).join(""));
  const { stdout } = await run(Deno.execPath(), ["info", "--json", all], {
    cwd: ROOT,
    inheritEnv: true,
  });
  const graph: { readonly modules: readonly ModuleInfo[] } = JSON.parse(stdout);
  return new Map(graph.modules.map(({ specifier, dependencies = [] }) => {
    const now = dependencies.filter(({ isDynamic }) => !isDynamic);
    return [specifier, now.flatMap(({ code }) => code?.specifier ?? [])];
  }));
}

/** Returns the modules that are loaded with the given ones. */
function closureOf(specifiers: readonly string[]): ReadonlySet<string> {
  const loaded = new Set(specifiers);
  for (const specifier of loaded) {
    for (const next of modules.get(specifier) ?? []) loaded.add(next);
  }
  return loaded;
}

/** Returns the modules of `cli/` that are loaded with one of them. */
function loadedWith(name: string): readonly string[] {
  return [...closureOf([`${CLI}${name}`])].filter((specifier) => specifier.startsWith(CLI))
    .map((specifier) => specifier.slice(CLI.length)).sort();
}

Deno.test("a pull of a stored image loads no code to fetch or unpack", async () => {
  const loaded = closureOf([
    `${PROJECT}mod.ts`,
    `${CLI}main.ts`,
    `${CLI}commands/registry/pull.ts`,
  ]);
  const needless = [...loaded].filter((specifier) =>
    !specifier.startsWith(PROJECT) ||
    /\/(?:layer\/(?!errors)|tests\/|overlay\/|uncompressed\/|store\/attachments\/)|_registry_reader|_ingest/
      .test(
        specifier,
      )
  );
  const sources = await Promise.all([...loaded].map((url) => Deno.readTextFile(new URL(url))));

  assert(loaded.size > 50);
  // Each takes about half a millisecond of every start.
  assert(loaded.size <= 69, `${loaded.size} modules`);
  assertEquals(needless, []);
  // Deno loads Web streams when one of them is first named.
  assertEquals(sources.filter((source) => /extends \w+Stream\b/.test(source)), []);
});

Deno.test("main.ts loads what every command needs, and help on demand", () => {
  assertEquals(loadedWith("main.ts"), [
    "commands.ts",
    "frame/command.ts",
    "frame/command_line.ts",
    "frame/errors.ts",
    "frame/interruption.ts",
    "frame/options.ts",
    "frame/program.ts",
    "frame/session.ts",
    "main.ts",
    "terminal/format.ts",
    "terminal/notices.ts",
    "terminal/output.ts",
    "terminal/terminal.ts",
  ]);
});

Deno.test("version.ts loads no other module", () => {
  assertEquals(loadedWith("commands/host/version.ts"), ["commands/host/version.ts"]);
});

Deno.test("pull.ts loads neither prompts nor the code that inspects images", () => {
  const rare = [
    "access/image_finder.ts",
    "access/password.ts",
    "access/stored_images.ts",
    "frame/help.ts",
  ];

  assertEquals(loadedWith("commands/registry/pull.ts").filter((name) => rare.includes(name)), []);
});

Deno.test("only demo and doctor import modules of node", () => {
  const importers = [...modules].filter(([specifier, imports]) => {
    return specifier.startsWith(CLI) && imports.some((name) => name.startsWith("node:"));
  });
  const names = importers.map(([specifier]) => specifier.slice(CLI.length));
  const commands = [...modules.keys()].filter((specifier) =>
    /\/cli\/commands\/[^/]+\/[^_/]+\.ts$/.test(specifier)
  )
    .map((specifier) => specifier.slice(CLI.length));

  const loading = commands.filter((name) =>
    loadedWith(name).some((other) => names.includes(other))
  );

  assertEquals(names.sort(), [
    "demo/demo_image.ts",
    "doctor/doctor_store.ts",
  ]);
  assertEquals(loading.sort(), ["commands/host/demo.ts", "commands/host/doctor.ts"]);
});

Deno.test("run loads neither the code that extracts layers nor the code that removes bundles", () => {
  const loaded = closureOf([
    `${PROJECT}mod.ts`,
    `${CLI}main.ts`,
    `${CLI}commands/containers/run.ts`,
  ]);
  const needless = [...loaded].filter((specifier) =>
    /\/layer\/(?:tar|compression)\/|\/store\/(?:threads|uncompressed|entries|attachments)\/|_overlay_trial|layer_resolver|bundle_removal|left_container|terminal\/progress/
      .test(specifier)
  );

  assert(loaded.size <= 144, `${loaded.size} modules`);
  assertEquals(needless, []);
});

Deno.test("ls loads no code that reads the content of files", () => {
  const loaded = closureOf([
    `${PROJECT}mod.ts`,
    `${CLI}main.ts`,
    `${CLI}commands/files/ls.ts`,
  ]);
  const needless = [...loaded].filter((specifier) =>
    /\/layer\/(?:tar\/(?!tar_limits)|compression\/)|archive_reader|blob_stream|entry_content/.test(
      specifier,
    )
  );

  assert(loaded.size <= 92, `${loaded.size} modules`);
  assertEquals(needless, []);
});
