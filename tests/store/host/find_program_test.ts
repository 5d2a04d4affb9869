import { assertEquals, assertMatch } from "@std/assert";
import { checkProgramSearch, findProgram, pathPlaces } from "../../../store/host/find_program.ts";
import { denoEnvironment, type ProcessResult, ROOT, run } from "../../_support/process.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

Deno.test("pathPlaces() splits PATH at semicolons on Windows", () => {
  assertEquals(pathPlaces("C:\\a;;D:\\b", "windows"), ["C:\\a", "D:\\b"]);
  assertEquals(pathPlaces("/a::/b", "linux"), ["/a", "/b"]);
});

/** Runs a program that uses the library with some permissions. */
async function runScript(
  dir: TempDir,
  script: string,
  permissions: readonly string[],
  path: string,
): Promise<ProcessResult> {
  const file = dir.join("main.ts");
  await Deno.writeTextFile(file, script.replaceAll("ROOT", ROOT));
  const config = `--config=${ROOT}/deno.json`;
  const args = ["run", "--no-prompt", "--quiet", config, ...permissions, file];
  const env = { ...await denoEnvironment(), PATH: path, TMPDIR: dir.join("tmp") };
  return await run(Deno.execPath(), args, { cwd: dir.path, env });
}

/** Makes a `PATH` of the directories `hidden` and `bin`, the second of them with a program. */
async function makePath(dir: TempDir, name: string, script = "exit 0"): Promise<string> {
  for (const name of ["hidden", "bin", "tmp"]) await Deno.mkdir(dir.join(name));
  await Deno.writeTextFile(dir.join(`bin/${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return ["hidden", "bin"].map((name) => dir.join(name)).join(":");
}

const FIND = `import { findProgram } from "ROOT/store/host/find_program.ts";
console.log(findProgram("x-program"));`;

posixTest("findProgram() skips a directory that it has no permission to read", async () => {
  await using dir = await makeTempDir();
  const path = await makePath(dir, "x-program");
  const permissions = ["--allow-env=PATH", `--allow-read=${dir.join("bin")}`];

  const { stdout, stderr } = await runScript(dir, FIND, permissions, path);

  assertEquals([stdout.trim(), stderr], [dir.join("bin/x-program"), ""]);
});

posixTest("findProgram() searches the directories of system programs without PATH", async () => {
  await using dir = await makeTempDir();
  const path = await makePath(dir, "x-program");

  const { stdout, stderr } = await runScript(dir, FIND, ["--allow-read"], path);

  assertEquals([stdout.trim(), stderr], ["undefined", ""]);
});

posixTest("findProgram() skips a directory that cannot be accessed", async () => {
  await using dir = await makeTempDir();
  const path = await makePath(dir, "x-program");
  await Deno.symlink("loop", dir.join("loop"));
  const places = `${dir.join("loop")}:${"x".repeat(300)}:${path}`;

  const { stdout, stderr } = await runScript(dir, FIND, ["--allow-env", "--allow-read"], places);

  assertEquals([stdout.trim(), stderr], [dir.join("bin/x-program"), ""]);
});

Deno.test("checkProgramSearch() accepts a search of all directories", () => {
  checkProgramSearch("x-program");
  assertEquals(findProgram("x-program"), undefined);
});

const RUN = `import { runBundle } from "ROOT/store/mod.ts";
try {
  const { code } = await runBundle("bundle", { runtime: "x-runtime" });
  console.log(code);
} catch (error) {
  console.log(\`\${error.name}: \${error.message}\`);
}`;

posixTest("runBundle() finds a runtime behind a directory that may not be read", async () => {
  await using dir = await makeTempDir();
  const path = await makePath(dir, "x-runtime", 'case "$*" in *" run --bundle "*) exit 7 ;; esac');
  await Deno.mkdir(dir.join("bundle"));
  await Deno.writeTextFile(dir.join("bundle/config.json"), "{}");
  const permissions = ["--allow-env", "--allow-run", "--allow-write", "--allow-ffi"];
  const places = ["bin", "bundle", "tmp"].map((name) => dir.join(name));
  const readable = `--allow-read=${[...places, ROOT].join(",")}`;

  const found = await runScript(dir, RUN, [...permissions, readable], path);
  await Deno.remove(dir.join("bin/x-runtime"));
  const missing = await runScript(dir, RUN, [...permissions, readable], path);

  assertEquals([found.stdout, found.stderr], ["7\n", ""]);
  assertMatch(missing.stdout, /^NotCapable: .*x-runtime.*--allow-read/);
});
