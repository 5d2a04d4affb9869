import { spareFiles } from "../../layer/linux/spare_files.ts";
import { checkIntegers } from "../../spec/error_facts.ts";

/** Default number of layers or blobs to transfer at once. */
export const DEFAULT_JOBS = 6;

/** Number of files that a task has open at once: its connection, part file, lock and output. */
const FILES_PER_TASK = 4;
/** Number of files for everything else: the index, its lock, and directories being listed. */
const RESERVED_FILES = 6;

/**
 * Reduces the number of parallel tasks to what the limit on open files (`ulimit -n`) allows.
 *
 * @param jobs Maximum number of tasks; {@linkcode DEFAULT_JOBS} if absent.
 * @returns The number of tasks, at least 1.
 * @throws {RangeError} If `jobs` is not an integer above 0.
 */
export function boundByFiles(jobs: number = DEFAULT_JOBS): number {
  checkIntegers("work in parallel", { jobs }, 1);
  const bound = Math.floor((spareFiles() - RESERVED_FILES) / FILES_PER_TASK);
  return Math.max(1, Math.min(jobs, bound));
}
