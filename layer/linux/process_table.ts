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
  const bytes = readOf(pid, "cmdline");
  return bytes === undefined ? [] : decodeName(bytes).split("\0").slice(0, -1);
}

/** Flag of the kernel for a process that has been forked and has not executed a program since. */
const PF_FORKNOEXEC = 0x40;
/** Position of the flags in the status of a process, after the name of the program. */
const FLAGS_FIELD = 6;

/**
 * Whether a process has been forked and has not executed a program since.
 *
 * @param pid Process ID.
 * @returns `false` as well if there is no such process, or the processes cannot be read.
 */
export function hasOnlyForked(pid: number): boolean {
  try {
    const status = decodeName(readOf(pid, "stat") ?? new Uint8Array());
    // The name stands in parentheses, and may have some.
    const fields = status.slice(status.lastIndexOf(")") + 1).trim().split(" ");
    return (Number(fields[FLAGS_FIELD]) & PF_FORKNOEXEC) !== 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

/** Reads a file about a process; `undefined` if there is no such process. */
function readOf(pid: number, name: string): Uint8Array<ArrayBuffer> | undefined {
  const path = `${PROCESSES}/${pid}/${name}`;
  try {
    // Deno needs every permission to read /proc.
    using calls = NativeMount.tryOpen();
    return calls === undefined ? Deno.readFileSync(path) : calls.readFile(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ESRCH" || error instanceof Deno.errors.NotFound) {
      return undefined;
    }
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
