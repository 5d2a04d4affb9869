import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import DENO_CONFIG from "../deno.json" with { type: "json" };
import { denoEnvironment, ROOT, run } from "./_support/process.ts";
import { posixTest } from "./_support/skip.ts";
import { makeTempDir, type TempDir } from "./_support/temp.ts";

/** The environment of a user with `deno` on the path and no registry for JSR. */
async function userEnvironment(home: TempDir): Promise<Record<string, string>> {
  const bin = home.join("bin");
  await Deno.mkdir(bin, { recursive: true });
  await Deno.symlink(Deno.execPath(), join(bin, "deno"));
  return {
    ...await denoEnvironment(),
    PATH: `${bin}:${Deno.env.get("PATH") ?? ""}`,
    HOME: home.path,
    OCI_STORE: home.join("store"),
    NO_COLOR: "1",
    JSR_URL: "http://127.0.0.1:9/",
  };
}

posixTest("deno install makes a command of the checkout that works", async () => {
  await using home = await makeTempDir();
  const env = await userEnvironment(home);
  const options = { cwd: home.path, env };
  const args = ["install", "-g", "-A", "-n", "oci", "--root", home.path, join(ROOT, "mod.ts")];

  const { code, stderr } = await run(Deno.execPath(), args, options);
  const installed = (...args: string[]) => run(home.join("bin", "oci"), args, options);

  assertEquals(code, 0, stderr);
  const demo = await installed("demo");
  assertEquals(demo.code, 0, demo.stderr);
  const unbundled = await installed("unbundle", home.join("none"));
  assertStringIncludes(unbundled.stderr, "oci: unbundle ");
  assertEquals(/not a dependency|not found in|report it/i.exec(unbundled.stderr), null);
});

Deno.test("another project imports the checkout through links", async () => {
  await using home = await makeTempDir();
  const config = { links: [ROOT], imports: { "@x/oci": "jsr:@x/oci@^0.1.0" } };
  await Deno.writeTextFile(home.join("deno.json"), JSON.stringify(config));
  await Deno.writeTextFile(
    home.join("main.ts"),
    `import { pull } from "@x/oci";
    import { serveRegistry } from "@x/oci/registry";
    console.log(typeof pull, typeof serveRegistry);`,
  );
  const env = await userEnvironment(home);

  const { stdout, stderr } = await run(
    Deno.execPath(),
    ["run", home.join("main.ts")],
    { cwd: home.path, env: { ...env, DENO_DIR: home.join("deno") } },
  );

  assertEquals(stdout, "function function\n", stderr);
});

Deno.test("another project checks the types of the checkout with its own options", async () => {
  await using home = await makeTempDir();
  const entries = Object.keys(DENO_CONFIG.exports).map((name) =>
    JSON.stringify("@x/oci" + name.slice(1))
  );
  const config = { links: [ROOT], imports: { "@x/oci": "jsr:@x/oci@^0.1.0" } };
  await Deno.writeTextFile(home.join("deno.json"), JSON.stringify(config));
  await Deno.writeTextFile(
    home.join("main.ts"),
    entries.map((name) => `import ${name};\n`).join(""),
  );
  const env = await userEnvironment(home);

  const { code, stderr } = await run(
    Deno.execPath(),
    ["check", home.join("main.ts")],
    { cwd: home.path, env },
  );

  assertEquals(code, 0, stderr);
});

Deno.test("the first start of a checkout downloads nothing", async () => {
  await using home = await makeTempDir();
  const env = { ...await userEnvironment(home), DENO_DIR: home.join("deno") };
  const args = ["run", "-A", "--cached-only", join(ROOT, "mod.ts"), "demo"];

  const { code, stderr } = await run(Deno.execPath(), args, { cwd: ROOT, env });

  assertEquals(code, 0, stderr);
  assertEquals(stderr.includes("Download"), false, stderr);
});

Deno.test("the command line names the permission without which it cannot start", async () => {
  const start = (...flags: string[]) =>
    run(Deno.execPath(), ["run", "--quiet", "--no-prompt", ...flags, "mod.ts", "version"], {
      cwd: ROOT,
      env: { NO_COLOR: "1" },
    });

  const denied = await start();
  const granted = await start(`--allow-read=${ROOT}`);

  assertEquals([denied.code, denied.stdout], [1, ""]);
  assertStringIncludes(denied.stderr, `is not permitted. Run again with --allow-read=${ROOT}`);
  assertEquals([granted.code, granted.stderr], [0, ""]);
});
