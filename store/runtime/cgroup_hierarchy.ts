import { present } from "../../spec/json.ts";
import { readIdMaps } from "../../layer/extraction/id_map.ts";
import { readMounts } from "../../layer/linux/mount_table.ts";
import { ifAny, mayRead } from "../host/files.ts";

/** The control groups of a machine. */
export interface CgroupHierarchy {
  /**
   * `v1` or `v2` for the version that is mounted, `hybrid` for version 2 in addition to version 1,
   * and `none` where there are none.
   */
  readonly kind: "v1" | "v2" | "hybrid" | "none";
  /**
   * Controllers of version 2 in a hybrid hierarchy; absent if they cannot be read, which requires
   * all permissions of Deno.
   */
  readonly controllers?: readonly string[];
}

const MOUNT_POINT = "/sys/fs/cgroup";
/** Where systemd mounts version 2 if it uses version 1 for everything else. */
const UNIFIED = `${MOUNT_POINT}/unified`;

/**
 * Finds the version of control groups that is mounted in the mount namespace of this process. Never
 * prompts for a permission.
 *
 * @throws {Deno.errors.NotCapable} If the table of mounts may not be read: neither `--allow-ffi`
 * nor all of `-A` is granted.
 */
export function readCgroupHierarchy(): CgroupHierarchy {
  // The native backend, if available, reads the table, and also has ID maps.
  if (readIdMaps() === undefined && !mayRead("/proc/self/mountinfo")) {
    throw new Deno.errors.NotCapable(
      'Requires read access to "/proc/self/mountinfo", run again with the --allow-ffi flag',
    );
  }
  const types = visibleTypes();
  if (types.get(MOUNT_POINT) === "cgroup2") return { kind: "v2" };
  const isOther = [...types].some(([target, type]) =>
    target.startsWith(`${MOUNT_POINT}/`) && type === "cgroup"
  );
  if (types.get(UNIFIED) !== "cgroup2") return { kind: isOther ? "v1" : "none" };
  const controllers = readControllers(`${UNIFIED}/cgroup.controllers`);
  return { kind: "hybrid", ...present({ controllers }) };
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
  if (!mayRead(path)) return undefined;
  try {
    return ifAny(() => Deno.readTextFileSync(path))?.split(/\s+/).filter(Boolean);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
