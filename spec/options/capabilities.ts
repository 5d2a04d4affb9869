import { explainedError } from "../error_facts.ts";
import type { SpecOption } from "../runtime/spec_option.ts";

/** Default capabilities of a container: those that Docker grants. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_MKNOD",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

/** Capabilities of capabilities(7) that are not granted by default. */
const FURTHER_CAPABILITIES: readonly string[] = [
  "CAP_AUDIT_CONTROL",
  "CAP_AUDIT_READ",
  "CAP_BLOCK_SUSPEND",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
  "CAP_DAC_READ_SEARCH",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_LEASE",
  "CAP_LINUX_IMMUTABLE",
  "CAP_MAC_ADMIN",
  "CAP_MAC_OVERRIDE",
  "CAP_NET_ADMIN",
  "CAP_NET_BROADCAST",
  "CAP_PERFMON",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYSLOG",
  "CAP_SYS_MODULE",
  "CAP_SYS_NICE",
  "CAP_SYS_PACCT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_WAKE_ALARM",
];

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
    return {
      ...spec,
      process: {
        ...spec.process,
        capabilities: inherited.length === 0
          ? sets
          : { ...sets, inheritable: inherited, ambient: inherited },
      },
    };
  };
}

function isAll(name: string): boolean {
  return name.toUpperCase() === "ALL";
}

/** Full names. */
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
