import type { LinuxSpec } from "./runtime_linux.ts";
import type { Process } from "./runtime_process.ts";
import type { Mount, Root, RuntimeSpec } from "./runtime_spec.ts";

/**
 * Changes a runtime configuration: returns a changed copy, which is passed to the next option.
 *
 * @example Write an option of your own
 * ```ts
 * import { newSpec, type SpecOption } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const withDomainName = (domainname: string): SpecOption => (spec) => ({ ...spec, domainname });
 *
 * assertEquals(newSpec(withDomainName("example")).domainname, "example");
 * ```
 */
export type SpecOption = (spec: SpecDraft) => SpecDraft;

/** A complete runtime configuration. */
export interface ContainerSpec extends RuntimeSpec {
  /** The root file system. */
  readonly root: Root;
  /** Mounts. */
  readonly mounts: readonly Mount[];
  /** The program. */
  readonly process: Process;
  /** Linux-specific configuration. */
  readonly linux: LinuxSpec;
}

/** A draft of a runtime configuration, which options change. */
export interface SpecDraft extends ContainerSpec {
  /** Settings that are applied after all options. */
  readonly pending: PendingSettings;
}

/** Settings that `newSpec()` applies after all options. */
export interface PendingSettings {
  /** Name of the image in errors. */
  readonly image: string;
  /** Text of the image's `/etc/passwd`. */
  readonly passwd: string;
  /** Text of the image's `/etc/group`. */
  readonly group: string;
  /** Entry point. */
  readonly entrypoint: readonly string[];
  /** User to look up; by default, `process.user` is used. */
  readonly user?: PendingUser;
  /** Whether the program has no supplementary groups. */
  readonly dropsGroups?: boolean;
  /** Architecture of the default seccomp profile, by its OCI name. */
  readonly seccompArchitecture?: string;
  /** Paths of volumes without a name. */
  readonly volumes?: readonly string[];
}

/** A user to look up. */
export interface PendingUser {
  /** `USER[:GROUP]`, as names or IDs. */
  readonly text: string;
  /** Whether the user keeps its supplementary groups if a group is set. */
  readonly additionalGids: boolean;
}
