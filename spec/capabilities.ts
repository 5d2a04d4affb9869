import type { SpecOption } from "./spec_option.ts";

/** The capabilities of a container unless an option says otherwise: those that Docker grants. */
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

/** Those of capabilities(7) that are not granted by default. */
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

/** Which capabilities {@linkcode withCapabilities} changes; `ALL` names every one. */
export interface CapabilityChanges {
  /** What is granted in addition, such as `NET_ADMIN` or `CAP_NET_ADMIN`. */
  readonly add?: readonly string[];
  /** What is taken away; a capability that is added as well is kept, unless `ALL` are added. */
  readonly drop?: readonly string[];
  /** What is granted to a program of an ordinary user as well. */
  readonly ambient?: readonly string[];
}

/**
 * Grants capabilities and takes them away, as `--cap-add` and `--cap-drop` of Docker do.
 *
 * @param changes What is granted and what is taken away.
 * @returns The option.
 * @throws {RangeError} If there is no such capability.
 *
 * @example Keep one capability alone
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
    return {
      ...spec,
      process: {
        ...spec.process,
        capabilities: {
          bounding,
          effective: bounding,
          permitted: bounding,
          ...(inherited.length === 0 ? {} : { inheritable: inherited, ambient: inherited }),
        },
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
    throw new RangeError(
      `Cannot change capability ${JSON.stringify(name)}: there is none of that name in ` +
        'capabilities(7); names are such as "NET_ADMIN"',
    );
  }));
}
