/** Limits of a control group. */
export interface Resources {
  /** Rules for devices. The last matching rule applies. */
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
  /** Files of version 2 control groups, and the values to write. */
  readonly unified?: Readonly<Record<string, string>>;
}

/** A rule for devices. */
export interface DeviceRule {
  /** Whether access is allowed. */
  readonly allow: boolean;
  /** `a` for all, `c` for character devices, `b` for block devices. */
  readonly type?: string;
  /** Major number; by default, all. */
  readonly major?: number;
  /** Minor number; by default, all. */
  readonly minor?: number;
  /** Kinds of access: any of `r`, `w` and `m`. */
  readonly access?: string;
}

/** Memory limits in bytes; -1 means no limit. */
export interface MemoryResources {
  /** Maximum memory. */
  readonly limit?: number;
  /** Memory reservation, which is kept under memory pressure. */
  readonly reservation?: number;
  /** Maximum of memory and swap space together. */
  readonly swap?: number;
  /** Maximum kernel memory. */
  readonly kernel?: number;
  /** Maximum kernel memory for TCP. */
  readonly kernelTCP?: number;
  /** Swappiness, from 0 to 100. */
  readonly swappiness?: number;
  /** Whether the OOM killer is disabled. */
  readonly disableOOMKiller?: boolean;
  /** Whether the limits include the subgroups. */
  readonly useHierarchy?: boolean;
  /** Whether a limit below the current use is rejected. */
  readonly checkBeforeUpdate?: boolean;
}

/** Limits of CPU time. */
export interface CpuResources {
  /** Weight against other groups, 2 to 262144. */
  readonly shares?: number;
  /** CPU time in microseconds per period; -1 means no limit. */
  readonly quota?: number;
  /** Maximum accumulated CPU time in microseconds beyond the quota. */
  readonly burst?: number;
  /** Length of a period in microseconds. */
  readonly period?: number;
  /** Real-time CPU time in microseconds per period. */
  readonly realtimeRuntime?: number;
  /** Length of a real-time period in microseconds. */
  readonly realtimePeriod?: number;
  /** CPUs to run on, such as `0-3,7`. */
  readonly cpus?: string;
  /** Memory nodes, such as `0`. */
  readonly mems?: string;
  /** 1 if the group only runs on idle CPUs. */
  readonly idle?: number;
}

/** Limit of the number of processes. */
export interface PidsResources {
  /** Maximum number of processes; -1 means no limit. */
  readonly limit: number;
}

/** Limits of block devices. */
export interface BlockIoResources {
  /** Weight against other groups, 10 to 1000. */
  readonly weight?: number;
  /** Weight against subgroups. */
  readonly leafWeight?: number;
  /** Weights for single devices. */
  readonly weightDevice?: readonly DeviceWeight[];
  /** Bytes read per second. */
  readonly throttleReadBpsDevice?: readonly DeviceThrottle[];
  /** Bytes written per second. */
  readonly throttleWriteBpsDevice?: readonly DeviceThrottle[];
  /** Reads per second. */
  readonly throttleReadIOPSDevice?: readonly DeviceThrottle[];
  /** Writes per second. */
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
  /** Weight against subgroups. */
  readonly leafWeight?: number;
}

/** Limit for a block device. */
export interface DeviceThrottle {
  /** Major number of the device. */
  readonly major: number;
  /** Minor number of the device. */
  readonly minor: number;
  /** Maximum bytes or operations per second. */
  readonly rate: number;
}

/** Limit of huge pages of one size. */
export interface HugepageLimit {
  /** The size, such as `2MB`. */
  readonly pageSize: string;
  /** Maximum number of bytes. */
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
  /** Maximum number of handles. */
  readonly hcaHandles?: number;
  /** Maximum number of objects. */
  readonly hcaObjects?: number;
}
