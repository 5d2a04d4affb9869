import { withMounts } from "./filesystem_options.ts";
import type { SpecOption } from "./spec_option.ts";

/** Options for {@linkcode withHostNetwork}. */
export interface HostNetworkOptions {
  /**
   * Files of the host that the container sees in place of its own, so that names resolve. The
   * runtime fails if one does not exist.
   *
   * @default {["/etc/hosts", "/etc/resolv.conf"]}
   */
  readonly files?: readonly string[];
}

/**
 * Puts the container on the host's network, with the host's view of names.
 *
 * @returns The option.
 *
 * @example Share the network
 * ```ts
 * import { newSpec, withHostNetwork } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const { linux } = newSpec(withHostNetwork());
 *
 * assertEquals(linux.namespaces?.some(({ type }) => type === "network"), false);
 * ```
 */
export function withHostNetwork(options: HostNetworkOptions = {}): SpecOption {
  const { files = ["/etc/hosts", "/etc/resolv.conf"] } = options;
  const mounts = files.map((path) => ({
    destination: path,
    type: "bind",
    source: path,
    options: ["rbind", "rprivate", "ro"],
  }));
  return (spec) => {
    const namespaces = (spec.linux.namespaces ?? []).filter(({ type }) => type !== "network");
    return withMounts(mounts)({ ...spec, linux: { ...spec.linux, namespaces } });
  };
}

/**
 * Sets the host name.
 *
 * @param hostname The name.
 * @returns The option.
 * @throws {RangeError} If it is empty or longer than the 64 bytes that Linux takes.
 */
export function withHostname(hostname: string): SpecOption {
  const length = new TextEncoder().encode(hostname).length;
  if (length < 1 || length > 64 || hostname.includes("\0")) {
    throw new RangeError(
      `Cannot name the host ${JSON.stringify(hostname)} as names must have 1 to 64 bytes`,
    );
  }
  return (spec) => ({ ...spec, hostname });
}
