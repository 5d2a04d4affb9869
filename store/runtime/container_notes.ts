import { lockFile, tryFlock } from "../host/file_lock.ts";
import { namesIn, swapFile } from "../host/files.ts";
import { openOwnFile } from "../host/open_regular_file.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import type { ProgramOutput } from "../host/run_program.ts";

/** Note about a container that a process runs. */
export interface ContainerNote {
  /** Directory with the note, a lock and the runtime's state. */
  readonly state: string;
  readonly runtime: string;
  readonly id: string;
  /** Process ID of the runtime; absent before it is started. */
  readonly pid?: number | undefined;
}

const NOTE = "container.json";
/** Name of the lock file, which is closed last. A held lock shows that the process is alive. */
const LOCK = "lock";
const MAX_NOTE_BYTES = 4096;

/** Prefix of the names of container directories. */
export const STATE_PREFIX = "run-";

/** Returns the path of the runtime's own state in the directory of a container. */
export function runtimeRoot(state: string): string {
  return `${state}/root`;
}

/** Runs a command of a container's runtime, such as `state` or `kill`. */
export async function callRuntime(
  runtime: string,
  state: string,
  ...args: readonly string[]
): Promise<ProgramOutput> {
  // Loaded on demand, since most containers end by themselves.
  const { runProgram } = await import("../host/run_program.ts");
  return await runProgram(runtime, ["--root", runtimeRoot(state), ...args]);
}

/** Locks the state of a container for the process that runs it, until the file is closed. */
export async function lockContainer(state: string): Promise<Deno.FsFile> {
  return await lockFile(`${state}/${LOCK}`);
}

/**
 * Whether the process that started a container still runs, and thus holds its lock. The check itself
 * holds a shared lock for an instant.
 */
export async function isContainerOwned(state: string): Promise<boolean> {
  const path = `${state}/${LOCK}`;
  using opened = openOwnFile(path);
  // If the file is missing, the process was killed before it created the file, or has just removed
  // everything.
  return opened !== undefined && !await tryFlock(opened.file, path, true);
}

/** Writes the note of a container. Synchronous, to leave little time for a kill in between. */
export function writeContainerNote({ state, ...note }: ContainerNote): void {
  swapFile(`${state}/${NOTE}`, [new TextEncoder().encode(JSON.stringify(note))], { mode: 0o600 });
}

/**
 * Lists the containers in a directory.
 *
 * @param directory The directory, which need not exist.
 * @returns The notes. A process that was killed very early has left none.
 * @throws {StoreFileError} If a note cannot be trusted.
 */
export function listContainerNotes(directory: string): readonly ContainerNote[] {
  const notes: ContainerNote[] = [];
  for (const name of namesIn(directory)) {
    if (!name.startsWith(STATE_PREFIX)) continue;
    const state = `${directory}/${name}`;
    const note = readJsonFile(`${state}/${NOTE}`, { maxBytes: MAX_NOTE_BYTES });
    const { runtime, id, pid } = note ?? {};
    if (typeof runtime !== "string" || typeof id !== "string") continue;
    notes.push({ state, runtime, id, ...typeof pid === "number" ? { pid } : {} });
  }
  return notes;
}
