import { isGranted, readGrantedEnvironment } from "../../spec/granted.ts";
import { ifPermitted, statIfAny } from "./files.ts";

/** Directories of system programs, which not every user has on `PATH`. */
export const PROGRAM_PLACES: readonly string[] = [
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
];

/**
 * Finds a program by name, on `PATH` and in the directories of system programs. Never prompts for a
 * permission, and skips directories that need one.
 *
 * @returns Its absolute path; `undefined` if it is not found.
 */
export function findProgram(name: string): string | undefined {
  for (const place of [...pathPlaces(), ...PROGRAM_PLACES]) {
    const path = `${place}/${name}`;
    if (!isGranted({ name: "read", path }) || !ifPermitted(() => isProgram(path))) continue;
    const found = path.startsWith("/") ? path : ifPermitted(() => Deno.realPathSync(path));
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Checks that {@linkcode findProgram} may search everywhere. Call it if a required program is not
 * found.
 *
 * @throws {Deno.errors.NotCapable} If a permission is missing.
 */
export function checkProgramSearch(name: string): void {
  const places = [...pathPlaces(Deno.env.get("PATH")), ...PROGRAM_PLACES];
  for (const place of places) isProgram(`${place}/${name}`);
}

export function isProgram(path: string): boolean {
  try {
    const { isFile = false, mode } = statIfAny(path) ?? {};
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    // No program can be run from a directory that cannot be accessed.
    return false;
  }
}

/** Returns the directories in `PATH`; none if the variable may not be read. */
export function pathPlaces(
  path: string = readGrantedEnvironment("PATH") ?? "",
  os: typeof Deno.build.os = Deno.build.os,
): readonly string[] {
  return path.split(os === "windows" ? ";" : ":").filter(Boolean);
}
