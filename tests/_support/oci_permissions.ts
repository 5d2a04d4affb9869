import { assertEquals } from "@std/assert";
import type { ProcessResult, runOci, RunOciOptions } from "./process.ts";

/** Returns the flags that `oci permissions` prints for a command line. */
export async function permissionsFor(
  oci: typeof runOci,
  args: readonly string[],
  options: RunOciOptions = {},
): Promise<readonly string[]> {
  const { code, stdout, stderr } = await oci(["permissions", "-q", "--json", ...args], options);
  assertEquals({ args, code, stderr }, { args, code: 0, stderr: "" });
  return JSON.parse(stdout).flags;
}

/** Runs command lines one after another, each with exactly the permissions printed for it. */
export async function assertGranted(
  oci: typeof runOci,
  commandLines: readonly (readonly string[])[],
  options: RunOciOptions = {},
): Promise<readonly ProcessResult[]> {
  const results: ProcessResult[] = [];
  for (const args of commandLines) {
    const permissions = await permissionsFor(oci, args, options);
    const result = await oci(args, { ...options, permissions });
    assertEquals({ args, code: result.code }, { args, code: 0 }, result.stderr);
    results.push(result);
  }
  return results;
}
