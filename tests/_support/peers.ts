/**
 * Tests against other tools. With `CI=true` every tool must be installed; elsewhere a test whose
 * tools are missing is skipped, and its name says why.
 *
 * @module
 */
import { join } from "@std/path";
import { type ProcessResult, run, type RunOptions } from "./process.ts";
import { ROOT_REASON, testUnless } from "./skip.ts";

export * from "./certificates.ts";
export * from "./debian_image.ts";
export * from "./docker_registry.ts";

/** A test that needs other tools. */
export interface PeerTest {
  readonly name: string;
  /** Programs that must be on the path. */
  readonly needs: readonly string[];
  /** Whether it needs root. */
  readonly root?: boolean;
  /** Another reason why it cannot run here. */
  readonly reason?: string | undefined;
}

/** Environments of programs, unless a test sets the same variables. */
const ENVIRONMENTS: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map([
  // Without it, skopeo looks for credentials in a directory that may belong to root. Nobody can
  // create a directory in /proc.
  ["skopeo", { XDG_RUNTIME_DIR: "/proc/none" }],
]);

/** Registers a test that needs other tools. */
export function peerTest(test: PeerTest, fn: (t: Deno.TestContext) => void | Promise<void>): void {
  const { name, needs, root = false, reason } = test;
  const missing = needs.filter((program) => programPath(program) === undefined);
  const reasons = [
    ...missing.map((program) => `no ${program}`),
    ...root && ROOT_REASON !== undefined ? [ROOT_REASON] : [],
    ...reason === undefined ? [] : [reason],
  ];
  testUnless(reasons.length > 0 ? reasons.join("; ") : undefined, { required: true })(name, fn);
}

/** Returns the path of a program, if it is installed. */
export function programPath(program: string): string | undefined {
  const places = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":");
  return places.map((place) => join(place, program)).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      // Missing or out of reach: not installed either way.
      return false;
    }
  });
}

/** Runs a peer, and throws an error with its stderr unless it succeeds. */
export async function runPeer(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const env = { ...ENVIRONMENTS.get(program), ...options.env };
  const result = await run(programPath(program) ?? program, args, { ...options, env });
  if (result.code !== 0) {
    throw new Error(
      `Cannot run ${[program, ...args].join(" ")}: exit code ${result.code}\n${result.stderr}`,
    );
  }
  return result;
}
