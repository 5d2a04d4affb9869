/** The program of a container. */
export interface Process {
  /** Whether it has a terminal. */
  readonly terminal?: boolean;
  /** Size of the terminal, in characters. */
  readonly consoleSize?: ConsoleSize;
  /** User and groups. */
  readonly user: ProcessUser;
  /** The program and its arguments. */
  readonly args?: readonly string[];
  /** Its environment, each `NAME=VALUE`. */
  readonly env?: readonly string[];
  /** Its working directory, absolute. */
  readonly cwd: string;
  /** Capabilities. */
  readonly capabilities?: ProcessCapabilities;
  /** Limits of setrlimit(2). */
  readonly rlimits?: readonly Rlimit[];
  /** Whether programs, such as set-user-ID ones, cannot gain privileges. */
  readonly noNewPrivileges?: boolean;
  /** Name of an AppArmor profile. */
  readonly apparmorProfile?: string;
  /** OOM score adjustment, from -1000 to 1000. */
  readonly oomScoreAdj?: number;
  /** SELinux label. */
  readonly selinuxLabel?: string;
  /** I/O priority. */
  readonly ioPriority?: IoPriority;
  /** Scheduling policy. */
  readonly scheduler?: Scheduler;
  /** CPU affinity of programs that are executed in the container. */
  readonly execCPUAffinity?: CpuAffinity;
}

/** Size of a terminal, in characters. */
export interface ConsoleSize {
  /** Number of lines. */
  readonly height: number;
  /** Number of columns. */
  readonly width: number;
}

/** User and groups of a program, as IDs inside the container. */
export interface ProcessUser {
  /** User ID. */
  readonly uid: number;
  /** Group ID. */
  readonly gid: number;
  /** Umask. */
  readonly umask?: number;
  /** Supplementary group IDs. */
  readonly additionalGids?: readonly number[];
}

/** Sets of capabilities, each named like `CAP_CHOWN`; see capabilities(7). */
export interface ProcessCapabilities {
  /** Bounding set. */
  readonly bounding?: readonly string[];
  /** Effective set. */
  readonly effective?: readonly string[];
  /** Inheritable set. */
  readonly inheritable?: readonly string[];
  /** Permitted set. */
  readonly permitted?: readonly string[];
  /** Ambient set. */
  readonly ambient?: readonly string[];
}

/** A limit of setrlimit(2). */
export interface Rlimit {
  /** Its name, such as `RLIMIT_NOFILE`. */
  readonly type: string;
  /** Soft limit, which is enforced. */
  readonly soft: number;
  /** Hard limit: the maximum to which the soft limit may be raised. */
  readonly hard: number;
}

/** I/O priority; see ioprio_set(2). */
export interface IoPriority {
  /** The scheduling class. */
  readonly class: "IOPRIO_CLASS_RT" | "IOPRIO_CLASS_BE" | "IOPRIO_CLASS_IDLE";
  /** The priority within the class, 0 being the highest. */
  readonly priority?: number;
}

/** Scheduling policy of a program; see sched_setattr(2). */
export interface Scheduler {
  /** The policy. */
  readonly policy:
    | "SCHED_OTHER"
    | "SCHED_FIFO"
    | "SCHED_RR"
    | "SCHED_BATCH"
    | "SCHED_ISO"
    | "SCHED_IDLE"
    | "SCHED_DEADLINE";
  /** Nice value, for `SCHED_OTHER` and `SCHED_BATCH`. */
  readonly nice?: number;
  /** Static priority, for `SCHED_FIFO` and `SCHED_RR`. */
  readonly priority?: number;
  /** Flags such as `SCHED_FLAG_RESET_ON_FORK`. */
  readonly flags?: readonly string[];
  /** Runtime in nanoseconds per period, for `SCHED_DEADLINE`. */
  readonly runtime?: number;
  /** Deadline in nanoseconds after the start of a period, for `SCHED_DEADLINE`. */
  readonly deadline?: number;
  /** Period in nanoseconds, for `SCHED_DEADLINE`. */
  readonly period?: number;
}

/** CPU affinity of a program, as lists such as `0-3,7`. */
export interface CpuAffinity {
  /** CPUs while it enters the container. */
  readonly initial?: string;
  /** CPUs after it has entered the container. */
  readonly final?: string;
}
