import { explainedError } from "../error_facts.ts";
import type { SpecOption } from "../runtime/spec_option.ts";

/** Default value of `PATH`. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Sets environment variables.
 *
 * @param variables Values by name; `undefined` removes a variable.
 * @returns The option.
 * @throws {TypeError} If a name is empty or contains an equals sign, or anything contains NUL.
 *
 * @example Set one variable and remove another
 * ```ts
 * import { newSpec, withArgs, withEnv } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const { process } = newSpec(
 *   withArgs(["/bin/app"]),
 *   withEnv({ PATH: "/bin", LANG: "C.UTF-8", DEBUG: "1" }),
 *   withEnv({ DEBUG: undefined }),
 * );
 *
 * assertEquals(process.env, ["HOME=/", "PATH=/bin", "LANG=C.UTF-8"]);
 * ```
 */
export function withEnv(variables: Readonly<Record<string, string | undefined>>): SpecOption {
  for (const [name, value] of Object.entries(variables)) {
    if (name === "" || /[=\0]/.test(name) || value?.includes("\0")) {
      throw explainedError(TypeError, {
        code: "invalid-argument",
        action: `set environment variable ${JSON.stringify(name)}`,
        subject: name,
        problem:
          "the name must not be empty or contain an equals sign, and neither name nor value " +
          "may contain a NUL character",
        option: "env",
      });
    }
  }
  return (spec) => {
    const env = mergeEnv(spec.process.env ?? [], Object.entries(variables));
    return { ...spec, process: { ...spec.process, env } };
  };
}

/** Changes an environment. If a name occurs several times, the last line wins. */
export function mergeEnv(
  env: readonly string[],
  changes: Iterable<readonly [string, string | undefined]> = [],
): readonly string[] {
  const merged = new Map<string, string | undefined>();
  for (const [name, value] of [...env.map(splitVariable), ...changes]) merged.set(name, value);
  return [...merged].flatMap(([name, value]) =>
    value === undefined || name === "" ? [] : [`${name}=${value}`]
  );
}

/** Splits a line into name and value; without an equals sign the value is empty. */
function splitVariable(line: string): readonly [string, string] {
  const at = line.indexOf("=");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}

/** Prepends default variables that are not set. */
export function defaultEnv(
  env: readonly string[],
  defaults: Readonly<Record<string, string>>,
): readonly string[] {
  const names = new Set(env.map((line) => splitVariable(line)[0]));
  const missing = Object.entries(defaults).filter(([name]) => !names.has(name));
  return [...missing.map(([name, value]) => `${name}=${value}`), ...env];
}
