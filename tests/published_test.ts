import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { serveRegistry } from "../registry/mod.ts";
import { buildImage, MemoryContent } from "./_support/image.ts";
import { importsOf } from "./_support/imports.ts";
import { type JsrRegistry, jsrRegistry, projectPackage, standInPackages } from "./_support/jsr.ts";
import { type ProcessResult, ROOT, run, type RunOptions } from "./_support/process.ts";
import { file, tar } from "./_support/tar.ts";
import { makeTempDir, type TempDir } from "./_support/temp.ts";

const project = await projectPackage();
const { name, exports } = project;
const specifiers = Object.keys(exports).map((path) => `jsr:${name}${path.slice(1)}`);

/** A registry with the package, and the directory of a user with an empty cache. */
async function published(): Promise<JsrRegistry & { readonly user: TempDir }> {
  await using resources = new AsyncDisposableStack();
  const registry = resources.use(jsrRegistry([project, ...await standInPackages()]));
  const user = resources.use(await makeTempDir());
  await Deno.mkdir(user.join("project"));
  const owned = resources.move();
  return { ...registry, user, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function deno(
  { url, user }: JsrRegistry & { readonly user: TempDir },
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  return run(Deno.execPath(), args, {
    inheritEnv: true,
    cwd: user.join("project"),
    ...options,
    env: {
      DENO_DIR: user.join("deno"),
      DENO_NO_UPDATE_CHECK: "1",
      JSR_URL: url,
      NO_COLOR: "1",
      OCI_STORE: user.join("store"),
      ...options.env,
    },
  });
}

Deno.test("the package contains its modules, and nothing of the tests", () => {
  const paths = [...project.files.keys()];

  assert(paths.includes("/deno.json"));
  for (const path of Object.values(exports)) assert(paths.includes(path.slice(1)), path);
  assertEquals(
    paths.filter((path) => /^\/(?:tests|bench|\.ci|\.github|deno\.lock)/.test(path)),
    ["/bench/README.md"],
  );
  const config = new TextDecoder().decode(project.files.get("/deno.json"));
  assertEquals(JSON.parse(config).links, undefined);
});

Deno.test("every module that the package imports or starts is in the package", () => {
  const missing = [...project.files].filter(([path]) => path.endsWith(".ts"))
    .flatMap(([path, bytes]) =>
      importsOf(new TextDecoder().decode(bytes)).filter((specifier) => specifier.startsWith("."))
        .map((specifier) => new URL(specifier, `file://${path}`).pathname)
        .filter((target) => !project.files.has(target)).map((target) => `${path} -> ${target}`)
    );

  assertEquals(missing, []);
});

Deno.test("every link of the published documents leads to a file of the package", () => {
  const missing = [...project.files].filter(([path]) => path.endsWith(".md"))
    .flatMap(([path, bytes]) =>
      [...new TextDecoder().decode(bytes).matchAll(/\]\((?!\w+:|#)([^)#]+)/g)]
        .map(([, link = ""]) => new URL(link, `file://${path}`).pathname)
        .filter((target) => !project.files.has(target)).map((target) => `${path} -> ${target}`)
    );

  assertEquals(missing, []);
});

Deno.test("every entry point of the published package is imported without permissions", async () => {
  await using registry = await published();
  const script = registry.user.join("project", "main.ts");
  const lines = specifiers.map((specifier, i) => `import * as m${i} from "${specifier}";`);
  const names = specifiers.map((_, i) => `m${i}`).join(", ");
  await Deno.writeTextFile(
    script,
    `${lines.join("\n")}\nconsole.log([${names}].map((m) => typeof m).join());\n`,
  );

  const { code, stdout, stderr } = await deno(registry, ["run", "--no-prompt", script]);

  assertEquals([code, stdout], [0, `${specifiers.map(() => "object").join()}\n`], stderr);
});

Deno.test("the published package reads archives in runtimes without Deno's API", async () => {
  await using registry = await published();
  const script = registry.user.join("project", "main.ts");
  await Deno.writeTextFile(
    script,
    `import { createHash } from "node:crypto";
    import { gzipSync } from "node:zlib";
    // The modules of Node need it when they are loaded.
    createHash("sha256");
    delete (globalThis as { Deno?: unknown }).Deno;
    const modules = await Promise.all([
      ${specifiers.map((specifier) => `import("${specifier}"),`).join("\n")}
    ]);
    const { formatReference, parseReference } = await import("jsr:${name}/registry");
    const { digestOf } = await import("jsr:${name}/spec");
    const { DecompressStream, tarHeader, UntarStream } = await import("jsr:${name}/layer");
    const archive = gzipSync(new Uint8Array([...tarHeader({ path: "a", type: "file" })]));
    const entries = new Blob([archive]).stream().pipeThrough(new DecompressStream())
      .pipeThrough(new UntarStream());
    for await (const { path, readable } of entries) {
      await readable?.cancel();
      console.log(path);
    }
    console.log(modules.length, formatReference(parseReference("a:1")));
    console.log(digestOf(new Uint8Array()).length, typeof Deno);`,
  );

  const { stdout, stderr } = await deno(registry, ["run", "--no-prompt", script]);

  assertEquals(
    stdout.split("\n"),
    ["a", `${specifiers.length} docker.io/library/a:1`, "71 undefined", ""],
    stderr,
  );
});

Deno.test("no module of the published package is missing, and no other is requested", async () => {
  await using registry = await published();

  const { code, stderr } = await deno(registry, ["cache", ...specifiers]);

  assertEquals(code, 0, stderr);
  const vain = registry.requests.filter(({ status }) => status !== 200).map(({ path }) => path);
  assertEquals(vain, []);
});

Deno.test("the published package type-checks under the strictest options", async () => {
  await using registry = await published();
  const script = registry.user.join("project", "main.ts");
  await Deno.writeTextFile(
    script,
    specifiers.map((specifier, i) => `export * as m${i} from "${specifier}";`).join("\n"),
  );

  const { code, stderr } = await deno(registry, ["check", script]);

  assertEquals(code, 0, stderr);
});

Deno.test("deno publish accepts the package, with no slow types", async () => {
  await using registry = await published();
  const checkout = registry.user.join("checkout");
  for (const [path, bytes] of project.files) {
    await Deno.mkdir(dirname(join(checkout, path)), { recursive: true });
    await Deno.writeFile(join(checkout, path), bytes);
  }
  // The lock file knows the stand-ins by their folders, and is not published.
  const config = JSON.parse(await Deno.readTextFile(join(checkout, "deno.json")));
  await Deno.writeTextFile(join(checkout, "deno.json"), JSON.stringify({ ...config, lock: false }));
  // Another test checks the types.
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-provenance", "--no-check"];

  const { code, stderr } = await deno(registry, args, { cwd: checkout });

  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "Dry run complete");
});

/** The modules of the package that have been downloaded, by path within the package. */
function downloaded({ requests }: JsrRegistry): readonly string[] {
  const base = `/${name}/${project.version}/`;
  return requests.filter(({ path }) => path.startsWith(base))
    .map(({ path }) => path.slice(base.length));
}

Deno.test.each([
  { command: ["run", "--no-prompt"], what: "importing pull() downloads" },
  { command: ["cache"], what: "caching an importer of pull() downloads" },
  { command: ["check"], what: "checking an importer of pull() downloads" },
])("$what no module of the command line", async ({ command }) => {
  await using registry = await published();
  const script = registry.user.join("project", "main.ts");
  await Deno.writeTextFile(
    script,
    `import { pull } from "jsr:${name}";\nconsole.log(pull.name);\n`,
  );

  const { code, stderr } = await deno(registry, [...command, script]);

  assertEquals(code, 0, stderr);
  const paths = downloaded(registry);
  assert(paths.includes("cache/pulling/pull.ts"));
  assertEquals(paths.filter((path) => path.startsWith("cli/")), []);
});

Deno.test("the published command line runs without permissions and downloads one command", async () => {
  await using registry = await published();
  const args = ["run", "--no-prompt", `jsr:${name}`, "--version"];

  const { code, stdout, stderr } = await deno(registry, args);

  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, project.version);
  const commands = downloaded(registry).filter((path) => path.startsWith("cli/commands/"));
  assertEquals(commands, ["cli/commands/host/version.ts"]);
});

Deno.test("deno run -A jsr:@x/oci pull runs the published package", async () => {
  const image = buildImage({ layers: [tar(file("hello", "hello\n"))] });
  await using registry = await published();
  await using images = await serveRegistry(new MemoryContent().add("app", "v1", image));
  const reference = `${images.host}/app:v1`;
  const args = ["run", "-A", `jsr:${name}`, "pull", reference, "--platform", "linux/amd64"];

  const { code, stdout, stderr } = await deno(registry, args);

  assertEquals(code, 0, stderr);
  assertMatch(stdout, new RegExp(`^${RegExp.escape(reference)}@${image.descriptor.digest}$`, "m"));
});

/** The scripts of the README that import the published package. */
async function readmeScripts(): Promise<readonly string[]> {
  const readme = await Deno.readTextFile(join(ROOT, "README.md"));
  return [...readme.matchAll(/^```ts ignore\n(.*?)^```$/gms)].map(([, script = ""]) => script);
}

Deno.test("the scripts of the README run as they are written", async () => {
  const layers = [tar(file("etc/os-release", "NAME=test\n"))];
  const image = buildImage({ layers });
  await using registry = await published();
  await using images = await serveRegistry(new MemoryContent().add("alpine", "3.20", image));
  const scripts = await readmeScripts();
  const outputs: string[] = [];
  for (const [i, script] of scripts.entries()) {
    assert(script.trimEnd().split("\n").length <= 15, script);
    const path = registry.user.join("project", `script_${i}.ts`);
    await Deno.writeTextFile(path, script.replaceAll("alpine:3.20", `${images.host}/alpine:3.20`));

    const { code, stdout, stderr } = await deno(registry, ["run", "-A", path]);

    assertEquals(code, 0, stderr);
    outputs.push(stdout.replace(/\s+/g, " "));
  }

  const { digest } = image.descriptor;
  assertEquals(outputs, [`${digest} NAME=test `, `${digest} `, `1 [ "${digest}" ] `]);
  const { user } = registry;
  assertEquals(await Deno.readTextFile(user.join("project/rootfs/etc/os-release")), "NAME=test\n");
});
