import { spareFiles } from "../../layer/linux/spare_files.ts";

/** Default number of layers or blobs to transfer at once. */
export const DEFAULT_JOBS = 6;

/** Number of files that a task has open at once: its connection, part file, lock and output. */
const FILES_PER_TASK = 4;
/** Number of files for everything else: the index, its lock, and directories being listed. */
const RESERVED_FILES = 6;

/**
 * Reduces the number of parallel tasks to what the limit on open files (`ulimit -n`) allows.
 *
 * @param tasks Maximum number of tasks; {@linkcode DEFAULT_JOBS} if absent.
 * @returns The number of tasks, at least 1.
 */
export function boundByFiles(tasks: number = DEFAULT_JOBS): number {
  const bound = Math.floor((spareFiles() - RESERVED_FILES) / FILES_PER_TASK);
  return Math.max(1, Math.min(tasks, bound));
}
