import type { SpecOption } from "../runtime/spec_option.ts";
import { inUserNamespace, type UserNamespaceOptions } from "./rootless_option.ts";

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
