import { RuntimeError } from "../errors.ts";
import { findProgram, isProgram } from "../host/find_program.ts";

/** Known runtimes, in order of preference. */
export const RUNTIMES: readonly string[] = ["crun", "runc", "youki"];

/**
 * Finds installed OCI runtimes lazily, because the first one usually works.
 *
 * @param name Name or path (default: all of {@linkcode RUNTIMES} that are installed).
 */
export function* findRuntimes(name?: string): Generator<string, void, void> {
  if (name?.includes("/")) {
    if (isProgram(name)) yield Deno.realPathSync(name);
    return;
  }
  for (const known of name === undefined ? RUNTIMES : [name]) {
    const path = findProgram(known);
    if (path !== undefined) yield path;
  }
}

/** Returns the error for a missing runtime; without a name, the error that none is installed. */
export function missingRuntime(name?: string): RuntimeError {
  if (name?.includes("/")) {
    return new RuntimeError("there is no such program", name, [], {
      code: "runtime-missing",
      action: `run "${name}"`,
      advice: "Check the path",
      option: "runtime",
    });
  }
  const all = RUNTIMES.join(", ");
  return new RuntimeError(
    name === undefined ? `none of ${all} is installed` : `${name} is not installed`,
    name ?? "",
    [],
    {
      code: "runtime-missing",
      action: "run a container",
      advice: name === undefined
        ? "Install one of them"
        : `Install it, or choose another of ${all}`,
      option: "runtime",
    },
  );
}
