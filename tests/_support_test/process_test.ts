import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { run } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";

Deno.test("makeTempDir() removes unreadable directories, and follows no link", async () => {
  await using outside = await makeTempDir();
  await Deno.writeTextFile(outside.join("kept"), "kept");
  const temp = await makeTempDir({ large: true });
  await Deno.mkdir(temp.join("locked", "inner"), { recursive: true });
  await Deno.symlink(outside.path, temp.join("locked", "link"));
  await Deno.chmod(temp.join("locked"), 0o000);

  await temp[Symbol.asyncDispose]();

  assertEquals(await exists(temp.path), false);
  assertEquals(await Deno.readTextFile(outside.join("kept")), "kept");
});

Deno.test("run() passes input and variables, and returns output and the exit code", async () => {
  const script = 'cat; echo "$A" >&2; exit 3';

  const result = await run("sh", ["-c", script], { env: { A: "b" }, stdin: "in" });

  assertEquals([result.code, result.stdout, result.stderr], [3, "in", "b\n"]);
});

Deno.test("run() inherits no variable but PATH by default", async () => {
  const { stdout } = await run("sh", ["-c", "echo ${HOME:-none}"]);
  const inherited = await run("sh", ["-c", "echo ${HOME:-none}"], { inheritEnv: true });

  assertEquals(stdout, "none\n");
  assertEquals(inherited.stdout, `${Deno.env.get("HOME") ?? "none"}\n`);
});

Deno.test("run() fails if the program is missing", async () => {
  await assertRejects(() => run("no-such-program-here", []), Deno.errors.NotFound);
});

Deno.test("run() kills a program that does not end, and shows its output", async () => {
  const script = "echo started; exec tail -f /dev/null";

  const error = await assertRejects(() => run("sh", ["-c", script], { timeoutMs: 1000 }), Error);

  assertStringIncludes(error.message, "did not end within 1 s\nstarted\n");
});
