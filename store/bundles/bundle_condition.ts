import { type ContainerNote, listContainerNotes } from "../runtime/container_notes.ts";
import { type ContainerState, findContainerState } from "../runtime/left_container.ts";
import { findPlace } from "./_bundle_place.ts";
import { type BundleRecord, isKept } from "./bundle_record.ts";

/**
 * State of a bundle:
 *
 * - `"used"`: a process makes, runs or removes it;
 * - `"kept"`: it is complete and stays until it is removed;
 * - `"dead"`: the process that made, ran or removed it was killed; `removeDeadBundles` removes it;
 * - `"running"`: the process was killed but its container still runs; `removeBundle` ends it;
 * - `"missing"`: its directory was moved, or is on a file system that is not mounted;
 * - `"unknown"`: the state cannot be determined, for the given reason.
 */
export type BundleCondition = "used" | "kept" | "dead" | "running" | "missing" | "unknown";

export interface FoundCondition {
  readonly condition: BundleCondition;
  /** ID of the container that runs or may run. */
  readonly container?: string;
  /** Why the condition is unknown. */
  readonly reason?: string;
}

/** Precedence of the states of a bundle's containers. */
const ORDER = ["owned", "running", "unknown", "dead"] as const;

/** Finds the condition of a bundle whose record no process has locked. */
export async function findCondition(
  record: BundleRecord,
  stateDirectory: string,
): Promise<FoundCondition> {
  const states: (readonly [ContainerNote, ContainerState])[] = [];
  for (const note of listContainerNotes(stateDirectory)) {
    states.push([note, await findContainerState(note)]);
  }
  states.sort(([, a], [, b]) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  const [note, state] = states[0] ?? [];
  if (note !== undefined && state !== undefined && state.kind !== "dead") {
    const { kind, ...rest } = state;
    return { condition: kind === "owned" ? "used" : kind, ...rest, container: note.id };
  }
  if (!isKept(record)) return { condition: "dead" };
  return { condition: findPlace(record) === "here" ? "kept" : "missing" };
}
