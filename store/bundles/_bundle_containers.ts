import { BundleError } from "../errors.ts";
import { removeTree } from "../host/remove_tree.ts";
import { listContainerNotes } from "../runtime/container_notes.ts";
import { endContainer, findContainerState } from "../runtime/left_container.ts";

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
