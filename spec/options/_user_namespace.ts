import { explainedError } from "../error_facts.ts";
import type { IdMapping } from "../runtime/runtime_linux.ts";
import type { Mount } from "../runtime/runtime_spec.ts";
import type { ContainerSpec } from "../runtime/spec_option.ts";

/** Adapts a configuration to its user namespace, if it has one. */
export function fitUserNamespace(spec: ContainerSpec, image: string): ContainerSpec {
  const { namespaces = [], uidMappings = [], gidMappings = [] } = spec.linux;
  if (uidMappings.length === 0 && gidMappings.length === 0) return spec;
  const { uid, gid, additionalGids = [], ...user } = spec.process.user;
  checkMapped("user", uid, uidMappings, image);
  checkMapped("group", gid, gidMappings, image);
  const keptGids = keepGids(additionalGids, gidMappings);
  const hostNetwork = !namespaces.some(({ type }) => type === "network");
  return {
    ...spec,
    mounts: spec.mounts
      .map((mount) => hostNetwork ? bindSys(mount) : mount)
      .map((mount) => isMapped(5, gidMappings) ? mount : withoutGroup(mount)),
    process: {
      ...spec.process,
      user: keptGids.length === 0
        ? { ...user, uid, gid }
        : { ...user, uid, gid, additionalGids: keptGids },
    },
  };
}

function isMapped(id: number, map: readonly IdMapping[]): boolean {
  return map.some(({ containerID, size }) => id >= containerID && id < containerID + size);
}

function checkMapped(kind: string, id: number, map: readonly IdMapping[], image: string): void {
  if (isMapped(id, map)) return;
  const ranges = map.map(({ containerID, size }) =>
    size === 1 ? `${containerID}` : `${containerID}-${containerID + size - 1}`
  );
  throw explainedError(RangeError, {
    code: "invalid-argument",
    action: `run ${image} as ${kind} ${id}`,
    subject: String(id),
    problem: `the user namespace has only these ${kind} IDs: ${ranges.join(", ")}`,
    advice: `Map the ID, or run as another ${kind}`,
    option: "user",
  });
}

/** Removes supplementary groups if a single group is mapped: the kernel denies setgroups(2). */
function keepGids(gids: readonly number[], map: readonly IdMapping[]): readonly number[] {
  const mapped = map.reduce((count, { size }) => count + size, 0);
  return mapped === 1 ? [] : gids.filter((gid) => isMapped(gid, map));
}

/** Replaces sysfs, which the kernel only mounts for the owner of the network namespace. */
function bindSys(mount: Mount): Mount {
  if (mount.destination !== "/sys" || mount.type !== "sysfs") return mount;
  const options = ["rbind", "nosuid", "noexec", "nodev", "ro"];
  return { destination: "/sys", type: "bind", source: "/sys", options };
}

function withoutGroup(mount: Mount): Mount {
  if (mount.type !== "devpts") return mount;
  return { ...mount, options: (mount.options ?? []).filter((option) => option !== "gid=5") };
}
