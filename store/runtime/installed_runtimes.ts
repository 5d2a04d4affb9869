import { present } from "../../spec/json.ts";
import { HYBRID_OBSTACLE } from "./_runtime_log.ts";
import { type CgroupHierarchy, readCgroupHierarchy } from "./cgroup_hierarchy.ts";
import { findProgram, RUNTIMES } from "../host/find_runtime.ts";

/** An OCI runtime that is installed. */
export interface InstalledRuntime {
  /** Its name, one of {@linkcode RUNTIMES}. */
  readonly name: string;
  /** Its path. */
  readonly path: string;
  /** Its version; absent if it may not be run, or does not say. */
  readonly version?: string;
  /** Why it does not, or may not, start containers on this machine, and what to do about it. */
  readonly obstacle?: string;
}

/**
 * Lists the runtimes that are installed, in the order in which `runBundle` tries them, and says of
 * each what on this machine is in its way.
 *
 * Never asks for a permission to run them or to look at mounts: what would need it is left out.
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
  const hierarchy = await tryHierarchy();
  const runtimes = await Promise.all(RUNTIMES.map(async (name) => {
    const path = await findProgram(name);
    if (path === undefined) return [];
    const version = await readVersion(path);
    const obstacle = cgroupObstacle(name, hierarchy);
    return [{ name, path, ...present({ version, obstacle }) }];
  }));
  return runtimes.flat();
}

async function tryHierarchy(): Promise<CgroupHierarchy | undefined> {
  try {
    return await readCgroupHierarchy();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/**
 * crun takes a version 2 beside others if it controls nothing, as systemd sets it up.
 */
function cgroupObstacle(name: string, hierarchy: CgroupHierarchy | undefined): string | undefined {
  const { kind, controllers } = hierarchy ?? {};
  if (name !== "crun" || kind !== "hybrid" || controllers?.length === 0) return undefined;
  return controllers === undefined
    ? `unless the second controls nothing, ${HYBRID_OBSTACLE}`
    : HYBRID_OBSTACLE;
}

async function readVersion(path: string): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({ name: "run", command: path });
  if (state !== "granted") return undefined;
  try {
    const { stdout } = await new Deno.Command(path, {
      args: ["--version"],
      stdin: "null",
      stderr: "null",
    }).output();
    return /version:? (\S+)/.exec(new TextDecoder().decode(stdout))?.[1];
  } catch {
    // For another machine, or not a program at all: it has no version.
    return undefined;
  }
}
