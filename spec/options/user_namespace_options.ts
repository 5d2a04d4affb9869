import { explainedError } from "../error_facts.ts";
import type { IdMapping, LinuxSpec } from "../runtime/runtime_linux.ts";
import type { SpecOption } from "../runtime/spec_option.ts";

/** ID mappings of a user namespace. */
export interface UserNamespaceOptions {
  /** User ID mappings. */
  readonly uidMap: readonly IdMapping[];
  /** Group ID mappings. */
  readonly gidMap: readonly IdMapping[];
}

/** Options for {@linkcode withRootless}. */
export interface RootlessOptions extends UserNamespaceOptions {
  /**
   * Whether the user may manage control groups, for example by systemd's delegation. If not, they
   * are not mounted.
   *
   * @default {false}
   */
  readonly cgroups?: boolean;
  /**
   * Whether the program keeps those of its supplementary groups that are mapped. crun and youki
   * support it; runc rejects a configuration with such groups unless root runs it.
   *
   * @default {false}
   */
  readonly additionalGids?: boolean;
}

/**
 * Configures a container that an unprivileged user can run, in a user namespace.
 *
 * Control groups are not mounted and do not restrict devices. With the host's network, `/sys` is
 * that of the host, read-only. Terminals do not belong to unmapped groups, and the program has no
 * supplementary groups.
 *
 * @param options ID mappings: the user's own ID, and those of `/etc/subuid` and `/etc/subgid`.
 * @returns The option.
 * @throws {RangeError} If the ranges are empty or overlap.
 *
 * @example Be root in the container, and yourself outside
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
  const { cgroups = false, additionalGids = false } = options;
  const inNamespace = inUserNamespace(options);
  return (spec) => {
    const { devices: _, ...resources } = spec.linux.resources ?? {};
    return {
      ...spec,
      mounts: spec.mounts.filter(({ type }) => cgroups || type !== "cgroup"),
      linux: inNamespace({ ...spec.linux, resources }),
      pending: { ...spec.pending, dropsGroups: !additionalGids },
    };
  };
}

/**
 * Configures a user namespace, in which root runs a container as other users of the host. The files
 * of its root file system must have the mapped owners.
 *
 * With the host's network, `/sys` is that of the host, read-only. Terminals do not belong to
 * unmapped groups.
 *
 * @param options ID mappings.
 * @returns The option.
 * @throws {RangeError} If the ranges are empty or overlap.
 *
 * @example Be root in the container, and another user outside
 * ```ts
 * import { newSpec, withUserNamespace } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
 * const { linux } = newSpec(withUserNamespace({ uidMap: map, gidMap: map }));
 *
 * assertEquals(linux.uidMappings, map);
 * assertEquals(linux.namespaces?.some(({ type }) => type === "user"), true);
 * ```
 */
export function withUserNamespace(options: UserNamespaceOptions): SpecOption {
  const inNamespace = inUserNamespace(options);
  return (spec) => ({ ...spec, linux: inNamespace(spec.linux) });
}

/**
 * Returns a function that adds a user namespace to a configuration.
 *
 * @throws {RangeError} If the ranges are empty or overlap.
 */
function inUserNamespace(
  { uidMap, gidMap }: UserNamespaceOptions,
): (linux: LinuxSpec) => LinuxSpec {
  checkMap("user", uidMap);
  checkMap("group", gidMap);
  return (linux) => {
    const others = (linux.namespaces ?? []).filter(({ type }) => type !== "user");
    const namespaces = [{ type: "user" } as const, ...others];
    return { ...linux, namespaces, uidMappings: uidMap, gidMappings: gidMap };
  };
}

function checkMap(kind: string, map: readonly IdMapping[]): void {
  const counts = map.every(({ containerID, hostID, size }) =>
    size >= 1 && [containerID, hostID, size].every((n) => Number.isInteger(n) && n >= 0) &&
    Math.max(containerID, hostID) + size <= 2 ** 32
  );
  if (map.length === 0 || !counts || overlaps(map, "containerID") || overlaps(map, "hostID")) {
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: `map ${kind} IDs ${JSON.stringify(map)}`,
      problem: "there must be ranges of 32-bit integers that do not overlap",
      option: kind === "user" ? "uidMap" : "gidMap",
    });
  }
}

function overlaps(map: readonly IdMapping[], side: "containerID" | "hostID"): boolean {
  const sorted = map.toSorted((a, b) => a[side] - b[side]);
  return sorted.some((range, i) => {
    const next = sorted[i + 1];
    return next !== undefined && range[side] + range.size > next[side];
  });
}
