import { RuntimeError } from "../errors.ts";
import { checkProgramSearch, findProgram, isProgram } from "../host/find_program.ts";

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

/**
 * Returns the error for a missing runtime; without a name, the error that none is installed.
 *
 * @throws {Deno.errors.NotCapable} If a runtime may be in a directory that may not be read.
 */
export function missingRuntime(name?: string): RuntimeError {
  const all = RUNTIMES.join(", ");
  if (!name?.includes("/")) checkProgramSearch(name ?? RUNTIMES[0] ?? "");
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
