import { decodeName } from "../file_name.ts";
import { errorCode } from "./native_error.ts";
import { NativeMount } from "./native_mount.ts";

/** Where the kernel describes processes. */
const PROCESSES = "/proc";

/**
 * Reads the arguments of a process, its program first.
 *
 * @param pid Process id.
 * @returns The arguments; none if there is no such process, or it has ended.
 * @throws {Deno.errors.NotCapable} If processes may not be looked at: neither `--allow-ffi` nor all
 * of `-A` is granted.
 */
export function processArguments(pid: number): readonly string[] {
  const path = `${PROCESSES}/${pid}/cmdline`;
  try {
    // Deno reads /proc for those alone who have every permission.
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
 * Lists the ids of all processes.
 *
 * @throws {Deno.errors.NotCapable} If they may not be listed: not all of `-A` is granted.
 */
export function listProcesses(): readonly number[] {
  return Array.from(Deno.readDirSync(PROCESSES), ({ name }) => Number(name)).filter(
    Number.isInteger,
  );
}
