import { listProcesses, processArguments } from "../../layer/linux/process_table.ts";
import { isGranted, processUid } from "../../spec/granted.ts";
import { isObject, parseIfJson } from "../../spec/json.ts";
import { fileAge, lstatIfAny } from "../host/files.ts";
import { findProgram } from "../host/find_program.ts";
import {
  callRuntime,
  type ContainerNote,
  isContainerOwned,
  runtimeRoot,
} from "./container_notes.ts";
import { RUNTIMES } from "./find_runtime.ts";

/**
 * State of a container. It is `"owned"` while the process that started it runs. If that process was
 * killed, the container is `"running"`, `"dead"` or `"unknown"`.
 */
export type ContainerState =
  | { readonly kind: "owned" | "running" | "dead" }
  | { readonly kind: "unknown"; readonly reason: string };

/** Maximum time from the start of a runtime until its state exists. */
const START_MS = 10_000;
/** Maximum time that a container and its runtime take to end. */
const END_MS = 5_000;
const PAUSE_MS = 20;

/** Finds the state of a container without changing anything. */
export async function findContainerState(note: ContainerNote): Promise<ContainerState> {
  if (await isContainerOwned(note.state)) return { kind: "owned" };
  const isAlive = isRuntimeAlive(note);
  if (isAlive || (isAlive === undefined && isStarting(note))) return { kind: "running" };
  // Without a state, the runtime has removed the container or never created it.
  if (!hasRuntimeState(note)) return { kind: "dead" };
  const runtime = findOwnRuntime(note);
  if (typeof runtime !== "string") return runtime;
  const { success, stdout, lastLine } = await callRuntime(runtime, note.state, "state", note.id);
  if (!success) {
    return { kind: "unknown", reason: `its runtime says: ${lastLine || "nothing"}` };
  }
  // A container that was created but not started waits for a runtime that no longer exists.
  return { kind: isRunning(stdout) ? "running" : "dead" };
}

/**
 * Ends a container whose process was killed, and removes what its runtime left, such as cgroups.
 *
 * @returns Why it may still run; `undefined` if it does not.
 */
export async function endContainer(note: ContainerNote): Promise<string | undefined> {
  const deadline = performance.now() + END_MS;
  for (;;) {
    if (hasRuntimeState(note)) {
      const runtime = findOwnRuntime(note);
      if (typeof runtime !== "string") return runtime.reason;
      const args = ["delete", "--force", note.id];
      const { success, lastLine } = await callRuntime(runtime, note.state, ...args);
      if (!success && hasRuntimeState(note) && performance.now() >= deadline) {
        return `its runtime says: ${lastLine || "nothing"}`;
      }
    }
    // Without a state, the runtime may still be creating or removing the container.
    if (!isRuntimeAlive(note) && !hasRuntimeState(note)) return undefined;
    if (performance.now() >= deadline) return "its runtime does not end";
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Whether the process of the runtime exists; `undefined` if processes cannot be listed. */
function isRuntimeAlive({ state, pid }: ContainerNote): boolean | undefined {
  const root = runtimeRoot(state);
  try {
    // Only the runtime has the name of this directory among its arguments.
    return (pid === undefined ? listProcesses() : [pid])
      .some((pid) => processArguments(pid).includes(root));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    // There is no process table, so no runtime runs.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function isStarting({ state }: ContainerNote): boolean {
  return fileAge(lstatIfAny(state)?.mtime) < START_MS;
}

function hasRuntimeState({ state, id }: ContainerNote): boolean {
  return lstatIfAny(`${runtimeRoot(state)}/${id}`) !== undefined;
}

/**
 * Returns the runtime of a container if this user may call it, or else the reason.
 */
function findOwnRuntime(
  { state, runtime }: ContainerNote,
): string | { readonly kind: "unknown"; readonly reason: string } {
  const unknown = (reason: string) => ({ kind: "unknown", reason }) as const;
  // The state tells the runtime which processes to kill, and which programs to run.
  const uid = processUid();
  if (uid === undefined) return unknown("determining its user requires --allow-sys=uid");
  if (lstatIfAny(state)?.uid !== uid) return unknown("another user ran it");
  // Look it up among the known names, so that the note never decides which program runs.
  const program = RUNTIMES.includes(runtime) ? findProgram(runtime) : undefined;
  if (program === undefined) return unknown(`its runtime "${runtime}" is not found`);
  return isGranted({ name: "run", command: program })
    ? program
    : unknown(`this requires --allow-run=${program}`);
}

function isRunning(document: string): boolean {
  const state = parseIfJson(document);
  // If the state is invalid, the container may still run.
  return !isObject(state) || state.status === "running" || state.status === "paused";
}
