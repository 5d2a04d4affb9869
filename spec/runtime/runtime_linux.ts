import type { Resources } from "./runtime_resources.ts";
import type { SeccompProfile } from "./runtime_seccomp.ts";

/**
 * Linux-specific configuration of a container.
 *
 * See {@link https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config-linux.md | config-linux.md}.
 */
export interface LinuxSpec {
  /** Namespaces of the container. It shares those of other kinds with the runtime. */
  readonly namespaces?: readonly Namespace[];
  /** User ID mappings of a new user namespace. */
  readonly uidMappings?: readonly IdMapping[];
  /** Group ID mappings of a new user namespace. */
  readonly gidMappings?: readonly IdMapping[];
  /** Offsets of the clocks of a new time namespace. */
  readonly timeOffsets?: Readonly<Partial<Record<"boottime" | "monotonic", TimeOffset>>>;
  /** Devices in addition to the default ones. */
  readonly devices?: readonly Device[];
  /** Network interfaces to move into the container, by their names on the host. */
  readonly netDevices?: Readonly<Record<string, NetDevice>>;
  /** Path of the control group; by default, the runtime chooses one. */
  readonly cgroupsPath?: string;
  /** Limits of the control group. */
  readonly resources?: Resources;
  /** Settings of the memory and cache bandwidth of Intel's Resource Director Technology. */
  readonly intelRdt?: IntelRdt;
  /** NUMA memory policy. */
  readonly memoryPolicy?: MemoryPolicy;
  /** Kernel parameters of the namespaces, such as `net.ipv4.ip_forward`. */
  readonly sysctl?: Readonly<Record<string, string>>;
  /** Filter for system calls. */
  readonly seccomp?: SeccompProfile;
  /** Propagation of mounts between the container and the host. */
  readonly rootfsPropagation?: "shared" | "slave" | "private" | "unbindable";
  /** Paths that cannot be read. */
  readonly maskedPaths?: readonly string[];
  /** Paths that cannot be written to. */
  readonly readonlyPaths?: readonly string[];
  /** SELinux label of the mounts. */
  readonly mountLabel?: string;
  /** Execution domain of the program. */
  readonly personality?: Personality;
}

/** A kind of namespace. */
export type NamespaceType =
  | "pid"
  | "network"
  | "mount"
  | "ipc"
  | "uts"
  | "user"
  | "cgroup"
  | "time";

/** A new or an existing namespace of a container. */
export interface Namespace {
  /** Its kind. */
  readonly type: NamespaceType;
  /** Path of an existing namespace to join, such as `/run/netns/a`. */
  readonly path?: string;
}

/** Offset of a clock. */
export interface TimeOffset {
  /** Whole seconds. */
  readonly secs?: number;
  /** Nanoseconds. */
  readonly nanosecs?: number;
}

/** A device node that the runtime creates. */
export interface Device {
  /** `c` and `u` for a character device, `b` for a block device, `p` for a pipe. */
  readonly type: "c" | "b" | "u" | "p";
  /** Its path in the container. */
  readonly path: string;
  /** Major number; not for a pipe. */
  readonly major?: number;
  /** Minor number; not for a pipe. */
  readonly minor?: number;
  /** Permission bits. */
  readonly fileMode?: number;
  /** User ID. */
  readonly uid?: number;
  /** Group ID. */
  readonly gid?: number;
}

/** A network interface to move into a container. */
export interface NetDevice {
  /** Name in the container; by default, the name on the host. */
  readonly name?: string;
}

/** Settings of Intel's Resource Director Technology. */
export interface IntelRdt {
  /** The class of service. */
  readonly closID?: string;
  /** Lines for the `schemata` file. */
  readonly schemata?: readonly string[];
  /** Schema of the level 3 cache. */
  readonly l3CacheSchema?: string;
  /** Schema of the memory bandwidth. */
  readonly memBwSchema?: string;
  /** Whether the use of caches is monitored, up to version 1.2 of the specification. */
  readonly enableCMT?: boolean;
  /** Whether the use of bandwidth is monitored, up to version 1.2 of the specification. */
  readonly enableMBM?: boolean;
  /** Whether a monitoring group is created, from version 1.3 on. */
  readonly enableMonitoring?: boolean;
}

/** NUMA memory policy; see set_mempolicy(2). */
export interface MemoryPolicy {
  /** The mode, such as `MPOL_BIND`. */
  readonly mode: string;
  /** The nodes, such as `0-3,7`. */
  readonly nodes?: string;
  /** Flags such as `MPOL_F_STATIC_NODES`. */
  readonly flags?: readonly string[];
}

/** The execution domain of a program; see personality(2). */
export interface Personality {
  /** The domain. */
  readonly domain: "LINUX" | "LINUX32";
  /** Further flags; none are defined. */
  readonly flags?: readonly string[];
}

/** A mapping of a range of user or group IDs. */
export interface IdMapping {
  /** First ID in the container. */
  readonly containerID: number;
  /** First ID on the host. */
  readonly hostID: number;
  /** Number of IDs. */
  readonly size: number;
}
