import type { LinuxSpec } from "./runtime_linux.ts";
import type { Process } from "./runtime_process.ts";
import type { Mount, Root, RuntimeSpec } from "./runtime_spec.ts";

/**
 * Changes one thing of a runtime configuration. It returns a changed copy; a later option sees
 * what the ones before it did.
 *
 * @example An option of one's own
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

/** A runtime configuration that has all that a container needs. */
export interface ContainerSpec extends RuntimeSpec {
  /** The root file system. */
  readonly root: Root;
  /** What is mounted into it. */
  readonly mounts: readonly Mount[];
  /** The program. */
  readonly process: Process;
  /** What Linux alone knows. */
  readonly linux: LinuxSpec;
}

/** A runtime configuration in the making: what options change. */
export interface SpecDraft extends ContainerSpec {
  /** What is settled when every option has been applied, as it depends on several of them. */
  readonly pending: PendingSettings;
}

/** What `newSpec` settles when every option has been applied. */
export interface PendingSettings {
  /** Name of the image in errors. */
  readonly image: string;
  /** Text of the image's `/etc/passwd`. */
  readonly passwd: string;
  /** Text of the image's `/etc/group`. */
  readonly group: string;
  /** The command before its arguments, as the image or an option says. */
  readonly entrypoint: readonly string[];
  /** Who is to be run as, by name or number; `process.user` stands if there is none. */
  readonly user?: PendingUser;
  /** Whether the program has no further groups, whoever it is run as. */
  readonly dropsGroups?: boolean;
  /** The architecture, as OCI names it, for whose system calls there is to be a profile. */
  readonly seccompArchitecture?: string;
}

/** A user that is still to be looked up. */
export interface PendingUser {
  /** `USER[:GROUP]`, names or numbers. */
  readonly text: string;
  /** Whether the user keeps its further groups where a group is given. */
  readonly additionalGids: boolean;
}
