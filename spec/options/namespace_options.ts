import { explainedError } from "../error_facts.ts";
import type { SpecOption } from "../runtime/spec_option.ts";
import { withMounts } from "./filesystem_options.ts";

/** Options for {@linkcode withHostNetwork}. */
export interface HostNetworkOptions {
  /**
   * Files of the host to mount into the container for name resolution. The runtime fails if one
   * does not exist.
   *
   * @default {["/etc/hosts", "/etc/resolv.conf"]}
   */
  readonly files?: readonly string[];
}

/**
 * Uses the network and the name resolution of the host.
 *
 * @param options The files to mount.
 * @returns The option.
 *
 * @example Share the network of the host
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
 * @throws {RangeError} If it is empty, contains NUL, or is longer than 64 bytes, the limit of Linux.
 *
 * @example Set the host name of a container
 * ```ts
 * import { newSpec, withHostname } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withHostname("db")).hostname, "db");
 * ```
 */
export function withHostname(hostname: string): SpecOption {
  const length = new TextEncoder().encode(hostname).length;
  if (length < 1 || length > 64 || hostname.includes("\0")) {
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: `set host name ${JSON.stringify(hostname)}`,
      subject: hostname,
      problem: "host names must have 1 to 64 bytes and no NUL byte",
      option: "hostname",
    });
  }
  return (spec) => ({ ...spec, hostname });
}
