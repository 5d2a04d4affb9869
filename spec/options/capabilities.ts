import { explainedError } from "../error_facts.ts";
import type { SpecOption } from "../runtime/spec_option.ts";

/** Default capabilities of a container: those that Docker grants. */
export const DEFAULT_CAPABILITIES: readonly string[] = capabilities(`
  AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW
  SETFCAP SETGID SETPCAP SETUID SYS_CHROOT
`);

/** Capabilities of capabilities(7) that are not granted by default. */
const FURTHER_CAPABILITIES: readonly string[] = capabilities(`
  AUDIT_CONTROL AUDIT_READ BLOCK_SUSPEND BPF CHECKPOINT_RESTORE DAC_READ_SEARCH
  IPC_LOCK IPC_OWNER LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE NET_ADMIN NET_BROADCAST PERFMON
  SYS_ADMIN SYS_BOOT SYSLOG SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME
  SYS_TTY_CONFIG WAKE_ALARM
`);

const ALL_CAPABILITIES: readonly string[] = [...DEFAULT_CAPABILITIES, ...FURTHER_CAPABILITIES]
  .sort();

/** Changes for {@linkcode withCapabilities}. `ALL` selects every capability. */
export interface CapabilityChanges {
  /** Capabilities to add, such as `NET_ADMIN` or `CAP_NET_ADMIN`. */
  readonly add?: readonly string[];
  /** Capabilities to drop. One that is also added is kept, unless `ALL` is added. */
  readonly drop?: readonly string[];
  /** Capabilities to grant to programs of unprivileged users as well. */
  readonly ambient?: readonly string[];
}

/**
 * Adds and drops capabilities, like `--cap-add` and `--cap-drop` of Docker.
 *
 * @param changes Capabilities to add and to drop.
 * @returns The option.
 * @throws {RangeError} If a capability is unknown.
 *
 * @example Keep only one capability
 * ```ts
 * import { newSpec, withCapabilities } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = newSpec(withCapabilities({ drop: ["ALL"], add: ["NET_BIND_SERVICE"] }));
 *
 * assertEquals(spec.process.capabilities?.bounding, ["CAP_NET_BIND_SERVICE"]);
 * ```
 */
export function withCapabilities(changes: CapabilityChanges): SpecOption {
  const { add = [], drop = [], ambient = [] } = changes;
  const [added, dropped, kept] = [expand(add), expand(drop), expand(ambient)];
  const addsAll = add.some(isAll);
  return (spec) => {
    const { capabilities } = spec.process;
    const before = addsAll ? ALL_CAPABILITIES : capabilities?.bounding ?? [];
    const left = before.filter((name) => !dropped.has(name));
    const bounding = [...new Set([...left, ...addsAll ? [] : added, ...kept])].sort();
    const inherited = [...new Set([...capabilities?.ambient ?? [], ...kept])]
      .filter((name) => bounding.includes(name)).sort();
    const sets = { bounding, effective: bounding, permitted: bounding };
    const granted = inherited.length === 0
      ? sets
      : { ...sets, inheritable: inherited, ambient: inherited };
    return { ...spec, process: { ...spec.process, capabilities: granted } };
  };
}

/** Returns the full names of the capabilities in a text. */
function capabilities(text: string): readonly string[] {
  return text.trim().split(/\s+/).map((name) => `CAP_${name}`);
}

function isAll(name: string): boolean {
  return name.toUpperCase() === "ALL";
}

/** Returns the full names of capabilities. */
function expand(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.flatMap((name) => {
    if (isAll(name)) return ALL_CAPABILITIES;
    const upper = name.toUpperCase();
    const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (ALL_CAPABILITIES.includes(full)) return [full];
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: `change capability ${JSON.stringify(name)}`,
      subject: name,
      problem: "it is not listed in capabilities(7)",
      advice: 'Use a name such as "NET_ADMIN"',
      option: "capabilities",
    });
  }));
}
