import { isGranted } from "../../spec/granted.ts";
import { RuntimeError } from "../errors.ts";
import { findProgram, isProgram } from "../host/find_program.ts";

/** Known runtimes, in order of preference. */
export const RUNTIMES: readonly string[] = ["crun", "runc", "youki"];

/** Controllers of version 2 of control groups on a machine that also has version 1. */
const UNIFIED_CONTROLLERS = "/sys/fs/cgroup/unified/cgroup.controllers";

/** Returns the known runtimes in order of preference. crun, which fails on such a machine, is last. */
export function runtimeOrder(): readonly string[] {
  if (!hasUnifiedControllers()) return RUNTIMES;
  return [...RUNTIMES.filter((name) => name !== "crun"), "crun"];
}

function hasUnifiedControllers(): boolean {
  if (!isGranted({ name: "read", path: UNIFIED_CONTROLLERS })) return false;
  try {
    return Deno.readTextFileSync(UNIFIED_CONTROLLERS).trim() !== "";
  } catch {
    // The order is only a preference.
    return false;
  }
}

/**
 * Finds installed OCI runtimes lazily, because the first one usually works.
 *
 * @param name Name or path (default: all of {@linkcode runtimeOrder} that are installed).
 */
export function* findRuntimes(name?: string): Generator<string, void, void> {
  if (name?.includes("/")) {
    if (isProgram(name)) yield Deno.realPathSync(name);
    return;
  }
  for (const known of name === undefined ? runtimeOrder() : [name]) {
    const path = findProgram(known);
    if (path !== undefined) yield path;
  }
}

/** Returns the error for a missing runtime; without a name, the error that none is installed. */
export function missingRuntime(name?: string): RuntimeError {
  const all = RUNTIMES.join(", ");
  let problem = `none of ${all} is installed`;
  let action = "run a container";
  let advice = "Install one of them";
  if (name?.includes("/")) {
    problem = "there is no such program";
    action = `run "${name}"`;
    advice = "Check the path";
  } else if (name !== undefined) {
    problem = `${name} is not installed`;
    advice = `Install it, or choose another of ${all}`;
  }
  const facts = { code: "runtime-missing", action, advice, option: "runtime" } as const;
  return new RuntimeError(problem, name ?? "", [], facts);
}
