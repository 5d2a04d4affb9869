import { readIdMaps } from "../../layer/extraction/id_map.ts";
import { readMounts } from "../../layer/linux/mount_table.ts";
import { isGranted } from "../../spec/granted.ts";
import { present } from "../../spec/json.ts";
import { dirname } from "../../spec/paths.ts";
import { ifAny, ifPermitted, statIfAny } from "../host/files.ts";

export interface CgroupHierarchy {
  /**
   * `v1` or `v2` for the version that is mounted, `hybrid` for version 2 in addition to version 1,
   * and `none` if neither is mounted.
   */
  readonly kind: "v1" | "v2" | "hybrid" | "none";
  /**
   * Controllers of version 2 in a hybrid hierarchy; absent if they cannot be read, which requires
   * all of Deno's permissions.
   */
  readonly controllers?: readonly string[];
}

const MOUNT_POINT = "/sys/fs/cgroup";
/** Mount point of version 2 if systemd uses version 1 for everything else. */
const UNIFIED = `${MOUNT_POINT}/unified`;

/**
 * Finds the version of cgroups that is mounted in the mount namespace of this process. Never prompts
 * for a permission.
 *
 * @throws {Deno.errors.NotCapable} If the mount table may not be read: that requires `--allow-ffi`,
 * or all permissions.
 */
export function readCgroupHierarchy(): CgroupHierarchy {
  // If ID maps can be read, the native backend is available, which also reads the mount table.
  if (readIdMaps() === undefined && !isGranted({ name: "read", path: "/proc/self/mountinfo" })) {
    throw new Deno.errors.NotCapable(
      'Requires read access to "/proc/self/mountinfo", run again with the --allow-ffi flag',
    );
  }
  const types = visibleTypes();
  if (types.get(MOUNT_POINT) === "cgroup2") return { kind: "v2" };
  const hasV1 = [...types].some(([target, type]) =>
    target.startsWith(`${MOUNT_POINT}/`) && type === "cgroup"
  );
  if (types.get(UNIFIED) !== "cgroup2") return { kind: hasV1 ? "v1" : "none" };
  const controllers = readControllers(`${UNIFIED}/cgroup.controllers`);
  return { kind: "hybrid", ...present({ controllers }) };
}

/**
 * Finds out whether this process may create control groups where runtimes do: at the root, or with
 * version 2 beside the group of this process. `undefined` if unknown. Never prompts for a permission.
 */
export function mayCreateCgroups(): boolean | undefined {
  const path = "/proc/self/cgroup";
  if (!isGranted({ name: "read", path })) return undefined;
  return ifPermitted(() => {
    const text = ifAny(() => Deno.readTextFileSync(path)) ?? "";
    const uid = Deno.uid();
    return parentCgroups(text).some((directory) => statIfAny(directory)?.uid === uid);
  });
}

/**
 * Returns the directories in which runtimes create a control group.
 *
 * @param text Content of `/proc/PID/cgroup`.
 */
export function parentCgroups(text: string): readonly string[] {
  // Only version 2 has a single line, which begins with "0::".
  const [, own] = /^0::(\/[^\n]+)\n?$/.exec(text) ?? [];
  return own === undefined ? [MOUNT_POINT] : [MOUNT_POINT, dirname(`${MOUNT_POINT}${own}`)];
}

/** Returns the types of file systems by mount point; a mount hides earlier ones below it. */
function visibleTypes(): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  for (const { target, type } of readMounts()) {
    for (const other of types.keys()) if (other.startsWith(`${target}/`)) types.delete(other);
    types.set(target, type);
  }
  return types;
}

function readControllers(path: string): readonly string[] | undefined {
  if (!isGranted({ name: "read", path })) return undefined;
  const text = ifPermitted(() => ifAny(() => Deno.readTextFileSync(path)));
  return text?.split(/\s+/).filter(Boolean);
}
