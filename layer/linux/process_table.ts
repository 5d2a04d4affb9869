import { errorCode, unlessThrown } from "../../spec/error_facts.ts";
import { decodeName } from "../file_name.ts";
import { readProcFile } from "./native_mount.ts";

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
  const bytes = readProcess(pid, "cmdline");
  return bytes === undefined ? [] : decodeName(bytes).split("\0").slice(0, -1);
}

/** Kernel flag of a process that was forked and has not called `execve()` since. */
const PF_FORKNOEXEC = 0x40;
/** Index of the flags among the fields of `/proc/PID/stat` after the program name. */
const FLAGS_FIELD = 6;

/**
 * Whether a process was forked and has not executed a program since.
 *
 * @param pid Process ID.
 * @returns Also `false` if there is no such process, or the permission to read it is missing.
 */
export function hasOnlyForked(pid: number): boolean {
  const stat = unlessThrown(() => readProcess(pid, "stat"), Deno.errors.NotCapable);
  const status = decodeName(stat ?? new Uint8Array());
  // The name is in parentheses, and may contain parentheses itself.
  const fields = status.slice(status.lastIndexOf(")") + 1).trim().split(" ");
  return (Number(fields[FLAGS_FIELD]) & PF_FORKNOEXEC) !== 0;
}

/** Reads a file about a process; `undefined` if there is no such process. */
function readProcess(pid: number, name: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return readProcFile(`${PROCESSES}/${pid}/${name}`);
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
