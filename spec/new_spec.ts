import { DEFAULT_SPEC } from "./_default_spec.ts";
import { settleSpec } from "./_settle_spec.ts";
import type { RuntimeSpec } from "./runtime_spec.ts";
import type { ContainerSpec, SpecOption } from "./spec_option.ts";

/**
 * Makes the configuration of a container.
 *
 * Without options it is what runc and podman make: a root file system at `rootfs`, the usual file
 * systems mounted, the kernel's dangerous files masked, Docker's capabilities, no new privileges,
 * and namespaces of its own except for users. Options change it in their order. What depends on
 * several of them is settled at the end: the user is looked up and `HOME` set, `PATH` is set if
 * nothing has set it, and the configuration is made fit for a user namespace if it has one.
 *
 * @param options What to change.
 * @returns The configuration. {@linkcode formatSpec} writes it.
 * @throws {OciError} If there is no command, or no user of the name that the image or an option
 * names.
 * @throws {RangeError} If an id is outside of what runtimes take, or has no place in the user
 * namespace.
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
 * Writes a configuration as the text of a `config.json`: the same text for the same configuration,
 * with an indent of two spaces and a line feed at the end.
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
