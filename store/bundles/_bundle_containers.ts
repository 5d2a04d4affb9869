import { BundleError } from "../errors.ts";
import { removeTree } from "../host/remove_tree.ts";
import { type ContainerNote, listContainerNotes } from "../runtime/container_notes.ts";
import {
  type ContainerState,
  endContainer,
  findContainerState,
} from "../runtime/left_container.ts";
import type { BundleRecord } from "./bundle_record.ts";

/**
 * State of a bundle whose record is not locked: `"kept"` if it stays until its user removes it;
 * `"owned"` if a process runs it; `"running"` if its container outlives a killed process; `"dead"`;
 * or `"unknown"`.
 */
export type BundleState =
  | { readonly kind: "kept" | "dead" }
  | { readonly kind: "owned" | "running"; readonly container: string }
  | { readonly kind: "unknown"; readonly container: string; readonly reason: string };

/** Precedence of the states of a bundle's containers. */
const ORDER = ["owned", "running", "unknown", "dead"] as const;

/** Finds the state of a bundle whose record no process has locked. */
export async function findBundleState(
  { phase, isTemporary }: BundleRecord,
  stateDirectory: string,
): Promise<BundleState> {
  const states: (readonly [ContainerNote, ContainerState])[] = [];
  for (const note of listContainerNotes(stateDirectory)) {
    states.push([note, await findContainerState(note)]);
  }
  states.sort(([, a], [, b]) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  const [note, state] = states[0] ?? [];
  if (note !== undefined && state !== undefined && state.kind !== "dead") {
    return { ...state, container: note.id };
  }
  return { kind: phase === "complete" && !isTemporary ? "kept" : "dead" };
}

/**
 * Ends the containers of a bundle that killed processes left behind.
 *
 * @throws {BundleError} If the process that runs a container is alive, or the container cannot be
 * ended.
 */
export async function endContainers(stateDirectory: string, path: string): Promise<void> {
  const notes = listContainerNotes(stateDirectory);
  for (const note of notes) {
    if ((await findContainerState(note)).kind === "owned") {
      throw runningError(path, `another process runs its container "${note.id}"`);
    }
  }
  for (const note of notes) {
    const reason = await endContainer(note);
    if (reason === undefined) continue;
    throw runningError(path, `its container "${note.id}" may still run: ${reason}`);
  }
}

/** Removes the runtime state of dead containers. */
export async function removeDeadContainers(stateDirectory: string): Promise<void> {
  for (const note of listContainerNotes(stateDirectory)) {
    if ((await findContainerState(note)).kind !== "dead") continue;
    if (await endContainer(note) === undefined) await removeTree(note.state);
  }
}

function runningError(path: string, problem: string): BundleError {
  return new BundleError(problem, path, {
    code: "bundle-running",
    action: `remove "${path}"`,
    advice: "End the container first",
  });
}
