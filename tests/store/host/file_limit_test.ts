import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { boundByFiles } from "../../../store/host/file_limit.ts";
import { denoEnvironment, run } from "../../_support/process.ts";
import { linuxTest } from "../../_support/skip.ts";

const MODULE = fromFileUrl(import.meta.resolve("../../../store/host/file_limit.ts"));

/** Bounds six tasks in a process with the given limit of open files. */
async function boundWith(limit: string, permissions: readonly string[]): Promise<number> {
  const code = `const { boundByFiles } = await import(Deno.args[0]); console.log(boundByFiles(6))`;
  const script = `ulimit -n ${limit}; exec "$0" "$@"`;
  const args = ["run", "--no-check", "--ext=ts", ...permissions, `data:text/javascript,${code}`];
  const { code: exit, stdout, stderr } = await run("sh", [
    "-c",
    script,
    Deno.execPath(),
    ...args,
    `file://${MODULE}`,
  ], { env: await denoEnvironment() });
  assertEquals(exit, 0, stderr);
  return Number(stdout);
}

linuxTest("boundByFiles() bounds tasks by the limit of open files", async () => {
  const few = await boundWith("40", ["-A"]);

  assert(few >= 1 && few < 6, `${few}`);
  assertEquals(await boundWith("1024", ["-A"]), 6);
});

linuxTest("boundByFiles() does not prompt for access to the limit", async () => {
  assertEquals(await boundWith("40", ["--allow-read", "--no-prompt"]), 6);
});

Deno.test.each([0, -1, 1.5, NaN, Infinity])("boundByFiles() rejects jobs=%s", (jobs) => {
  assertThrows(() => boundByFiles(jobs), RangeError, '"jobs" must be an integer >= 1');
});
