import { isGranted } from "../../spec/granted.ts";
import { present } from "../../spec/json.ts";
import { ifPermitted } from "../host/files.ts";
import { findProgram } from "../host/find_program.ts";
import { runProgram } from "../host/run_program.ts";
import { HYBRID_OBSTACLE } from "./_runtime_log.ts";
import { type CgroupHierarchy, readCgroupHierarchy } from "./cgroup_hierarchy.ts";
import { RUNTIMES } from "./find_runtime.ts";

/** An OCI runtime that is installed. */
export interface InstalledRuntime {
  /** Its name, one of {@linkcode RUNTIMES}. */
  readonly name: string;
  /** Its path. */
  readonly path: string;
  /** Its version; absent if it cannot be run, or does not print one. */
  readonly version?: string;
  /** Reason why it cannot, or may not, work on this machine, with advice. */
  readonly obstacle?: string;
}

/**
 * Lists the installed runtimes in the order in which `runBundle` tries them, each with the
 * obstacles on this machine.
 *
 * Never prompts for a permission to run them or to read mounts: without it, the version or the
 * obstacle is absent.
 *
 * @returns The runtimes.
 *
 * @example Find one that runs here
 * ```ts
 * import { listRuntimes } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const runtimes = await listRuntimes();
 *
 * assert(runtimes.every(({ path, name }) => path.endsWith(`/${name}`)));
 * ```
 */
export async function listRuntimes(): Promise<readonly InstalledRuntime[]> {
  const hierarchy = ifPermitted(readCgroupHierarchy);
  const runtimes = await Promise.all(RUNTIMES.map(async (name) => {
    const path = findProgram(name);
    if (path === undefined) return [];
    const version = await readVersion(path);
    const obstacle = cgroupObstacle(name, hierarchy);
    return [{ name, path, ...present({ version, obstacle }) }];
  }));
  return runtimes.flat();
}

/** crun accepts a hybrid hierarchy if version 2 has no controllers, as systemd sets it up. */
function cgroupObstacle(name: string, hierarchy: CgroupHierarchy | undefined): string | undefined {
  const { kind, controllers } = hierarchy ?? {};
  if (name !== "crun" || kind !== "hybrid" || controllers?.length === 0) return undefined;
  return controllers === undefined
    ? `unless version 2 of control groups has no controllers, ${HYBRID_OBSTACLE}`
    : HYBRID_OBSTACLE;
}

async function readVersion(path: string): Promise<string | undefined> {
  if (!isGranted({ name: "run", command: path })) return undefined;
  try {
    const { stdout } = await runProgram(path, ["--version"]);
    return /version:? (\S+)/.exec(stdout)?.[1];
  } catch {
    // It is not a program for this machine.
    return undefined;
  }
}
