import type { Resources } from "./runtime_resources.ts";
import type { SeccompProfile } from "./runtime_seccomp.ts";

/**
 * What Linux alone knows of a container.
 *
 * See {@link https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md | config-linux.md}.
 */
export interface LinuxSpec {
  /** The namespaces of the container; of a kind that is not here it has the runtime's. */
  readonly namespaces?: readonly Namespace[];
  /** User ids of a new user namespace. */
  readonly uidMappings?: readonly IdMapping[];
  /** Group ids of a new user namespace. */
  readonly gidMappings?: readonly IdMapping[];
  /** Offsets of the clocks of a new time namespace. */
  readonly timeOffsets?: Readonly<Partial<Record<"boottime" | "monotonic", TimeOffset>>>;
  /** Devices that there are beside the default ones. */
  readonly devices?: readonly Device[];
  /** Network interfaces of the host that move into the container, by their names there. */
  readonly netDevices?: Readonly<Record<string, NetDevice>>;
  /** Path of the control group; the runtime chooses one if there is none. */
  readonly cgroupsPath?: string;
  /** Limits of the control group. */
  readonly resources?: Resources;
  /** Settings of the memory and cache bandwidth of Intel's Resource Director Technology. */
  readonly intelRdt?: IntelRdt;
  /** On which nodes memory is taken. */
  readonly memoryPolicy?: MemoryPolicy;
  /** Kernel parameters of the namespaces, such as `net.ipv4.ip_forward`. */
  readonly sysctl?: Readonly<Record<string, string>>;
  /** Which system calls are allowed. */
  readonly seccomp?: SeccompProfile;
  /** How mounts spread between the container and the host. */
  readonly rootfsPropagation?: "shared" | "slave" | "private" | "unbindable";
  /** Paths that cannot be read. */
  readonly maskedPaths?: readonly string[];
  /** Paths that cannot be written to. */
  readonly readonlyPaths?: readonly string[];
  /** SELinux label of the mounts. */
  readonly mountLabel?: string;
  /** Whether the program sees a 32-bit system. */
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

/** A namespace of a container: a new one, or one that there is. */
export interface Namespace {
  /** Its kind. */
  readonly type: NamespaceType;
  /** The namespace to join, such as `/run/netns/a`. */
  readonly path?: string;
}

/** What is added to a clock. */
export interface TimeOffset {
  /** Whole seconds. */
  readonly secs?: number;
  /** Nanoseconds. */
  readonly nanosecs?: number;
}

/** A device node that the runtime makes. */
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
  /** Owning group. */
  readonly gid?: number;
}

/** A network interface that moves into a container. */
export interface NetDevice {
  /** Its name in the container; the same as outside if there is none. */
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
  /** Whether a monitoring group is made, from version 1.3 on. */
  readonly enableMonitoring?: boolean;
}

/** On which nodes memory is taken; see set_mempolicy(2). */
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

/** A range of user or group ids of the container and what they are outside. */
export interface IdMapping {
  /** The first id in the container. */
  readonly containerID: number;
  /** The first id outside. */
  readonly hostID: number;
  /** How many ids there are. */
  readonly size: number;
}
