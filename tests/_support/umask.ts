import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { denoEnvironment, ROOT, run } from "./process.ts";

/**
 * Runs code without a umask, in a process of its own: all threads of a process share the umask, and
 * other tests run in them.
 *
 * @param code A module. Its imports are relative to the project's directory.
 * @param args Arguments of the program, in `Deno.args`.
 * @returns What it prints.
 */
export async function runWithoutUmask(code: string, ...args: readonly string[]): Promise<string> {
  const deno = [Deno.execPath(), "eval", "--quiet", `--config=${join(ROOT, "deno.json")}`, code];
  const command = ["-c", 'umask 000; exec "$@"', "sh", ...deno, ...args];
  const result = await run("/bin/sh", command, { cwd: ROOT, env: await denoEnvironment() });
  assertEquals({ code: result.code, stderr: result.stderr }, { code: 0, stderr: "" });
  return result.stdout;
}
