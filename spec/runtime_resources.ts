/** Limits of a control group. */
export interface Resources {
  /** Which devices may be used, the last rule that fits deciding. */
  readonly devices?: readonly DeviceRule[];
  /** Memory. */
  readonly memory?: MemoryResources;
  /** CPU time. */
  readonly cpu?: CpuResources;
  /** Number of processes. */
  readonly pids?: PidsResources;
  /** Block devices. */
  readonly blockIO?: BlockIoResources;
  /** Huge pages, a limit for each size. */
  readonly hugepageLimits?: readonly HugepageLimit[];
  /** Network. */
  readonly network?: NetworkResources;
  /** Remote direct memory access, by device. */
  readonly rdma?: Readonly<Record<string, RdmaLimits>>;
  /** Files of version 2 of control groups and what is written to them. */
  readonly unified?: Readonly<Record<string, string>>;
}

/** Whether some devices may be used. */
export interface DeviceRule {
  /** Whether they may. */
  readonly allow: boolean;
  /** `a` for all, `c` for character devices, `b` for block devices. */
  readonly type?: string;
  /** Major number; all if there is none. */
  readonly major?: number;
  /** Minor number; all if there is none. */
  readonly minor?: number;
  /** For what: any of `r`, `w` and `m`. */
  readonly access?: string;
}

/** Limits of memory, in bytes; -1 stands for none. */
export interface MemoryResources {
  /** The most memory. */
  readonly limit?: number;
  /** Memory that is kept when memory is short. */
  readonly reservation?: number;
  /** The most memory and swap space together. */
  readonly swap?: number;
  /** The most kernel memory. */
  readonly kernel?: number;
  /** The most kernel memory for TCP. */
  readonly kernelTCP?: number;
  /** How eagerly memory is swapped out, 0 to 100. */
  readonly swappiness?: number;
  /** Whether nothing is killed when memory is short. */
  readonly disableOOMKiller?: boolean;
  /** Whether the limits count for the groups below as well. */
  readonly useHierarchy?: boolean;
  /** Whether a limit below what is in use is refused. */
  readonly checkBeforeUpdate?: boolean;
}

/** Limits of CPU time. */
export interface CpuResources {
  /** Weight against other groups, 2 to 262144. */
  readonly shares?: number;
  /** Microseconds of each period in which the group may run; -1 stands for no limit. */
  readonly quota?: number;
  /** Microseconds that may be saved up beyond the quota. */
  readonly burst?: number;
  /** Length of a period in microseconds. */
  readonly period?: number;
  /** Microseconds of each period in which the group may run in real time. */
  readonly realtimeRuntime?: number;
  /** Length of a period of real time in microseconds. */
  readonly realtimePeriod?: number;
  /** CPUs to run on, such as `0-3,7`. */
  readonly cpus?: string;
  /** Memory nodes, such as `0`. */
  readonly mems?: string;
  /** 1 if the group runs only when nothing else does. */
  readonly idle?: number;
}

/** Limit of the number of processes. */
export interface PidsResources {
  /** The most processes; -1 stands for no limit. */
  readonly limit: number;
}

/** Limits of block devices. */
export interface BlockIoResources {
  /** Weight against other groups, 10 to 1000. */
  readonly weight?: number;
  /** Weight against the groups below. */
  readonly leafWeight?: number;
  /** Weights for single devices. */
  readonly weightDevice?: readonly DeviceWeight[];
  /** Bytes read in a second. */
  readonly throttleReadBpsDevice?: readonly DeviceThrottle[];
  /** Bytes written in a second. */
  readonly throttleWriteBpsDevice?: readonly DeviceThrottle[];
  /** Reads in a second. */
  readonly throttleReadIOPSDevice?: readonly DeviceThrottle[];
  /** Writes in a second. */
  readonly throttleWriteIOPSDevice?: readonly DeviceThrottle[];
}

/** Weight for a block device. */
export interface DeviceWeight {
  /** Major number of the device. */
  readonly major: number;
  /** Minor number of the device. */
  readonly minor: number;
  /** Weight against other groups, 10 to 1000. */
  readonly weight?: number;
  /** Weight against the groups below. */
  readonly leafWeight?: number;
}

/** Limit for a block device. */
export interface DeviceThrottle {
  /** Major number of the device. */
  readonly major: number;
  /** Minor number of the device. */
  readonly minor: number;
  /** The most bytes or operations in a second. */
  readonly rate: number;
}

/** Limit of huge pages of one size. */
export interface HugepageLimit {
  /** The size, such as `2MB`. */
  readonly pageSize: string;
  /** The most bytes. */
  readonly limit: number;
}

/** Marks and priorities of network traffic. */
export interface NetworkResources {
  /** Class identifier of the packets. */
  readonly classID?: number;
  /** Priorities by interface. */
  readonly priorities?: readonly InterfacePriority[];
}

/** Priority of traffic over a network interface. */
export interface InterfacePriority {
  /** Name of the interface. */
  readonly name: string;
  /** The priority. */
  readonly priority: number;
}

/** Limits of a device for remote direct memory access. */
export interface RdmaLimits {
  /** The most handles. */
  readonly hcaHandles?: number;
  /** The most objects. */
  readonly hcaObjects?: number;
}
