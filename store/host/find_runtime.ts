import { isGranted } from "../../spec/granted.ts";
import { RuntimeError } from "../errors.ts";
import { statIfAny } from "./files.ts";

/** Known runtimes, in order of preference. */
export const RUNTIMES: readonly string[] = ["crun", "runc", "youki"];

/** Directories of system programs, which not every user has on `PATH`. */
export const PROGRAM_PLACES: readonly string[] = [
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
];

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

/**
 * Finds `setsid`, which executes a program in a new session.
 *
 * For its option `detached`, Deno forks, which copies its page tables and then each page that it
 * writes to. That takes longer than everything else between a command and its container.
 *
 * @returns The path of `setsid`; `undefined` if it is not installed or may not be run.
 */
export function findSetsid(program: string): string | undefined {
  const setsid = findProgram("setsid");
  return setsid !== undefined && isGranted({ name: "run", command: setsid }) &&
      isGranted({ name: "run", command: program })
    ? setsid
    : undefined;
}

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

function isProgram(path: string): boolean {
  try {
    const { isFile = false, mode } = statIfAny(path) ?? {};
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch (error) {
    // A program in a directory without access cannot be run either.
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}
