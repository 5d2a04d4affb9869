/** Default number of layers or blobs to transfer at once. */
export const DEFAULT_JOBS = 6;

/** Files of one task: its connection, its part file, its lock and its output. */
const FILES_PER_TASK = 4;
/** Files for everything else: the index, its lock, directories that are listed. */
const RESERVED_FILES = 6;

/** Permissions without which Deno does not read `/proc/self`, and might prompt. */
const ALL = ["read", "write", "net", "env", "run", "ffi", "sys"] as const;

/**
 * Bounds a number of parallel tasks by the limit of open files (`ulimit -n`).
 *
 * @param tasks Maximum number of tasks; {@linkcode DEFAULT_JOBS} if absent.
 * @param filesPerTask Number of files that a task opens at once.
 * @returns The number, or fewer if the process may not open enough files. At least 1.
 */
export function boundByFiles(
  tasks: number = DEFAULT_JOBS,
  filesPerTask: number = FILES_PER_TASK,
): number {
  const bound = Math.floor((spareFiles() - RESERVED_FILES) / filesPerTask);
  return Math.max(1, Math.min(tasks, bound));
}

/** Returns how many more files this process may open; `Infinity` if that cannot be known. */
export function spareFiles(): number {
  if (Deno.build.os !== "linux") return Infinity;
  const isGranted = ALL.every((name) => Deno.permissions.querySync({ name }).state === "granted");
  if (!isGranted) return Infinity;
  try {
    const limits = Deno.readTextFileSync("/proc/self/limits");
    const limit = Number(/^Max open files +([0-9]+)/m.exec(limits)?.[1] ?? Infinity);
    // Listing the open files takes longer, and hardly any process comes near a high limit.
    return limit > 512 ? limit : limit - Deno.readDirSync("/proc/self/fd").toArray().length;
  } catch {
    // There is no /proc in some sandboxes.
    return Infinity;
  }
}
