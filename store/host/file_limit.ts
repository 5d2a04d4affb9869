import { spareFiles } from "../../layer/linux/spare_files.ts";

/** Default number of layers or blobs to transfer at once. */
export const DEFAULT_JOBS = 6;

/** Files of one task: its connection, its part file, its lock and its output. */
const FILES_PER_TASK = 4;
/** Files for everything else: the index, its lock, directories that are listed. */
const RESERVED_FILES = 6;

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
