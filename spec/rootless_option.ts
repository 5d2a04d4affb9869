import type { IdMapping } from "./runtime_linux.ts";
import type { SpecOption } from "./spec_option.ts";

/** Options for {@linkcode withRootless}. */
export interface RootlessOptions {
  /** User ids of the container and what they are outside. */
  readonly uidMap: readonly IdMapping[];
  /** Group ids of the container and what they are outside. */
  readonly gidMap: readonly IdMapping[];
  /**
   * Whether the user may manage control groups, as systemd allows by delegation. Where not, they
   * are not mounted.
   *
   * @default {false}
   */
  readonly cgroups?: boolean;
  /**
   * Whether the program has those of its further groups that the namespace has. crun and youki give
   * them to it; runc refuses a configuration with any, unless root runs it.
   *
   * @default {false}
   */
  readonly additionalGids?: boolean;
}

/**
 * Makes a container that an ordinary user can run: in a user namespace, without what only the
 * administrator of the host may do.
 *
 * Control groups are not mounted and devices are not ruled by them; `/sys` is the host's, read
 * only, if the network is; terminals do not belong to a group that the namespace does not have, and
 * the program has no further groups.
 *
 * @param options Which ids the namespace has: one's own, and those of `/etc/subuid` and
 * `/etc/subgid`.
 * @returns The option.
 * @throws {RangeError} If the ranges are empty or overlap.
 *
 * @example Be root in the container, oneself outside
 * ```ts
 * import { newSpec, withRootless } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const map = [{ containerID: 0, hostID: 1000, size: 1 }];
 * const { linux } = newSpec(withRootless({ uidMap: map, gidMap: map }));
 *
 * assertEquals(linux.uidMappings, map);
 * assertEquals(linux.namespaces?.some(({ type }) => type === "user"), true);
 * ```
 */
export function withRootless(options: RootlessOptions): SpecOption {
  const { uidMap, gidMap, cgroups = false, additionalGids = false } = options;
  checkMap("user", uidMap);
  checkMap("group", gidMap);
  return (spec) => {
    const others = (spec.linux.namespaces ?? []).filter(({ type }) => type !== "user");
    const { devices: _, ...resources } = spec.linux.resources ?? {};
    return {
      ...spec,
      mounts: spec.mounts.filter(({ type }) => cgroups || type !== "cgroup"),
      linux: {
        ...spec.linux,
        namespaces: [{ type: "user" }, ...others],
        uidMappings: uidMap,
        gidMappings: gidMap,
        resources,
      },
      pending: { ...spec.pending, dropsGroups: !additionalGids },
    };
  };
}

function checkMap(kind: string, map: readonly IdMapping[]): void {
  const counts = map.every(({ containerID, hostID, size }) =>
    size >= 1 && [containerID, hostID, size].every((n) => Number.isInteger(n) && n >= 0) &&
    Math.max(containerID, hostID) + size <= 2 ** 32
  );
  if (map.length === 0 || !counts || overlaps(map, "containerID") || overlaps(map, "hostID")) {
    throw new RangeError(
      `Cannot map ${kind} ids ${JSON.stringify(map)} as there must be ranges of whole numbers ` +
        "in 32 bits that do not overlap",
    );
  }
}

function overlaps(map: readonly IdMapping[], side: "containerID" | "hostID"): boolean {
  const sorted = map.toSorted((a, b) => a[side] - b[side]);
  return sorted.some((range, i) => {
    const next = sorted[i + 1];
    return next !== undefined && range[side] + range.size > next[side];
  });
}
