import { errorCode } from "../../spec/error_facts.ts";
import { decodeName } from "../file_name.ts";
import { NativeMount } from "./native_mount.ts";

/** Directory of the kernel's process information. */
const PROCESSES = "/proc";

/**
 * Reads the arguments of a process, the program first.
 *
 * @param pid Process ID.
 * @returns The arguments; empty if there is no such process.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi` and without `--allow-all`.
 */
export function processArguments(pid: number): readonly string[] {
  const path = `${PROCESSES}/${pid}/cmdline`;
  try {
    // Deno needs every permission to read /proc.
    using calls = NativeMount.tryOpen();
    const bytes = calls === undefined ? Deno.readFileSync(path) : calls.readFile(path);
    return decodeName(bytes).split("\0").slice(0, -1);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ESRCH" || error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Lists the IDs of all processes.
 *
 * @throws {Deno.errors.NotCapable} Without `--allow-all`.
 */
export function listProcesses(): readonly number[] {
  return Array.from(Deno.readDirSync(PROCESSES), ({ name }) => Number(name)).filter(
    Number.isInteger,
  );
}
