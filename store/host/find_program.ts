import { statIfAny } from "./files.ts";

/** Directories of system programs, which not every user has on `PATH`. */
export const PROGRAM_PLACES: readonly string[] = [
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
];

/**
 * Finds a program by name, on `PATH` and in the directories of system programs.
 *
 * @returns Its absolute path; `undefined` if it is not installed.
 */
export function findProgram(name: string): string | undefined {
  const places = [...(Deno.env.get("PATH") ?? "").split(":").filter(Boolean), ...PROGRAM_PLACES];
  for (const place of places) {
    const path = `${place}/${name}`;
    if (isProgram(path)) return path.startsWith("/") ? path : Deno.realPathSync(path);
  }
  return undefined;
}

/** Whether a path leads to a program. */
export function isProgram(path: string): boolean {
  try {
    const { isFile = false, mode } = statIfAny(path) ?? {};
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch (error) {
    // A program in a directory without access cannot be run either.
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}
