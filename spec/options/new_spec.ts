import { DEFAULT_SPEC } from "./_default_spec.ts";
import { settleSpec } from "./_settle_spec.ts";
import type { RuntimeSpec } from "../runtime/runtime_spec.ts";
import type { ContainerSpec, SpecOption } from "../runtime/spec_option.ts";

/**
 * Creates the configuration of a container.
 *
 * The default is like that of runc and podman: a root file system at `rootfs`, the usual mounts, masked
 * kernel files, Docker's capabilities, no new privileges, and new namespaces except for users. Options
 * are applied in their order. Values that depend on several options are computed at the end: the user
 * is looked up, `HOME` and `PATH` are set, and the configuration is adapted to a user namespace.
 *
 * @param options Changes to the default.
 * @returns The configuration. {@linkcode formatSpec} serializes it.
 * @throws {OciError} If there is no command, or the user does not exist.
 * @throws {RangeError} If an ID is out of range, or not mapped in the user namespace.
 *
 * @example A container with limits
 * ```ts
 * import { newSpec, withArgs, withCPULimit, withMemoryLimit, withRootFS } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = newSpec(
 *   withRootFS("rootfs", true),
 *   withArgs(["/bin/true"]),
 *   withCPULimit("500m"),
 *   withMemoryLimit("512Mi"),
 * );
 *
 * assertEquals(spec.linux.resources?.cpu, { shares: 512, quota: 50_000, period: 100_000 });
 * assertEquals(spec.linux.resources?.memory, { limit: 536_870_912 });
 * ```
 */
export function newSpec(...options: SpecOption[]): ContainerSpec {
  return settleSpec(options.reduce((spec, option) => option(spec), DEFAULT_SPEC));
}

/**
 * Serializes a configuration as a `config.json`, with an indent of two spaces and a final line feed. The
 * result is deterministic.
 *
 * @param spec The configuration.
 * @returns The text.
 *
 * @example Write a configuration
 * ```ts
 * import { formatSpec } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatSpec({ ociVersion: "1.0.2" }), '{\n  "ociVersion": "1.0.2"\n}\n');
 * ```
 */
export function formatSpec(spec: RuntimeSpec): string {
  return `${JSON.stringify(spec, null, 2)}\n`;
}
