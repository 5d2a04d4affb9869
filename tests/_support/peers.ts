/**
 * Tests against other tools. Where `CI` is true every tool must be there; elsewhere a test
 * whose tools are absent is ignored, and its name says why.
 *
 * @module
 */
import { join } from "@std/path";
import { type ProcessResult, run, type RunOptions } from "./process.ts";

export * from "./certificates.ts";
export * from "./debian_image.ts";
export * from "./docker_registry.ts";

/** A test that needs other tools. */
export interface PeerTest {
  readonly name: string;
  /** Programs that must be on the path. */
  readonly needs: readonly string[];
  /** Whether it needs to be root. */
  readonly root?: boolean;
  /** Why it cannot run here, where that is found out in another way; absent if it can. */
  readonly reason?: string | undefined;
}

/** Registers a test that needs other tools. */
export function peerTest(test: PeerTest, fn: (t: Deno.TestContext) => void | Promise<void>): void {
  const { name, needs, root = false, reason } = test;
  const missing = needs.filter((program) => programPath(program) === undefined);
  const reasons = [
    ...missing.length > 0 ? [`${missing.join(", ")} not installed`] : [],
    ...root && Deno.uid() !== 0 ? ["needs root"] : [],
    ...reason === undefined ? [] : [reason],
  ];
  if (reasons.length === 0) return Deno.test(name, fn);
  const why = reasons.join("; ");
  if (isCi()) {
    return Deno.test(name, () => {
      throw new Error(`Cannot run a peer test as CI requires it: ${why}`);
    });
  }
  Deno.test({ name: `${name} (ignored: ${why})`, ignore: true, fn });
}

/** Whether this run must not leave anything out. */
export function isCi(): boolean {
  return ["1", "true"].includes(Deno.env.get("CI")?.toLowerCase() ?? "");
}

/** Where a program is, if it is on the path. */
export function programPath(program: string): string | undefined {
  const places = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":");
  return places.map((place) => join(place, program)).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      // Absent, or out of reach: not there either way.
      return false;
    }
  });
}

/** Runs a peer, and fails with what it said unless it succeeds. */
export async function runPeer(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const result = await run(programPath(program) ?? program, args, options);
  if (result.code !== 0) {
    throw new Error(
      `Cannot run ${[program, ...args].join(" ")}: exit code ${result.code}\n${result.stderr}`,
    );
  }
  return result;
}
