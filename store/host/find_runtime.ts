import { RuntimeError } from "../errors.ts";

/** Known runtimes, in order of preference. */
export const RUNTIMES: readonly string[] = ["crun", "runc", "youki"];

/** Directories of system programs, which are not on every user's `PATH`. */
export const PROGRAM_PLACES: readonly string[] = [
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
];

/**
 * Finds OCI runtimes.
 *
 * @param name Name or path (default: all of {@linkcode RUNTIMES} that are installed).
 * @returns Their paths, at least one.
 * @throws {RuntimeError} If none is installed.
 */
export async function findRuntimes(name?: string): Promise<readonly [string, ...string[]]> {
  if (name?.includes("/")) {
    if (await isProgram(name)) return [await Deno.realPath(name)];
    throw new RuntimeError("there is no such program", name, [], {
      code: "runtime-missing",
      action: `run "${name}"`,
      advice: "Check the path",
      option: "runtime",
    });
  }
  const names = name === undefined ? RUNTIMES : [name];
  const [first, ...others] = (await Promise.all(names.map(findProgram))).filter(isFound);
  if (first !== undefined) return [first, ...others];
  const all = RUNTIMES.join(", ");
  throw new RuntimeError(
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

/**
 * Finds a program by name, on `PATH` and in the directories of system programs.
 *
 * @param name Its name.
 * @returns Its path; `undefined` if it is not installed.
 */
export async function findProgram(name: string): Promise<string | undefined> {
  const places = [...(Deno.env.get("PATH") ?? "").split(":").filter(Boolean), ...PROGRAM_PLACES];
  for (const place of places) {
    const path = `${place}/${name}`;
    if (await isProgram(path)) return path;
  }
  return undefined;
}

function isFound(path: string | undefined): path is string {
  return path !== undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    // Programs in an unreadable directory cannot run either.
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}
