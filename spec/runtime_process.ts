/** The program of a container. */
export interface Process {
  /** Whether it has a terminal. */
  readonly terminal?: boolean;
  /** Size of the terminal, in characters. */
  readonly consoleSize?: ConsoleSize;
  /** Who it runs as. */
  readonly user: ProcessUser;
  /** The program and its arguments. */
  readonly args?: readonly string[];
  /** Its environment, each `NAME=VALUE`. */
  readonly env?: readonly string[];
  /** Its working directory, absolute. */
  readonly cwd: string;
  /** What it may do beyond an ordinary user. */
  readonly capabilities?: ProcessCapabilities;
  /** Limits of setrlimit(2). */
  readonly rlimits?: readonly Rlimit[];
  /** Whether it can gain nothing from set-user-id programs. */
  readonly noNewPrivileges?: boolean;
  /** Name of an AppArmor profile. */
  readonly apparmorProfile?: string;
  /** Adjusts how soon it is killed when memory is short, -1000 to 1000. */
  readonly oomScoreAdj?: number;
  /** SELinux label. */
  readonly selinuxLabel?: string;
  /** Priority of its input and output. */
  readonly ioPriority?: IoPriority;
  /** How it is scheduled. */
  readonly scheduler?: Scheduler;
  /** On which CPUs what is executed in the container runs. */
  readonly execCPUAffinity?: CpuAffinity;
}

/** Size of a terminal, in characters. */
export interface ConsoleSize {
  /** How many lines. */
  readonly height: number;
  /** How many columns. */
  readonly width: number;
}

/** Who a program runs as; the numbers are those inside the container. */
export interface ProcessUser {
  /** User ID. */
  readonly uid: number;
  /** Group ID. */
  readonly gid: number;
  /** File mode bits that are taken from new files. */
  readonly umask?: number;
  /** Further group ids. */
  readonly additionalGids?: readonly number[];
}

/** Sets of capabilities, each named like `CAP_CHOWN`; see capabilities(7). */
export interface ProcessCapabilities {
  /** What can be gained at all. */
  readonly bounding?: readonly string[];
  /** What is in force. */
  readonly effective?: readonly string[];
  /** What a program with the same file capabilities keeps. */
  readonly inheritable?: readonly string[];
  /** What can be put into force. */
  readonly permitted?: readonly string[];
  /** What every program keeps. */
  readonly ambient?: readonly string[];
}

/** A limit of setrlimit(2). */
export interface Rlimit {
  /** Its name, such as `RLIMIT_NOFILE`. */
  readonly type: string;
  /** What is enforced. */
  readonly soft: number;
  /** How far the soft limit may be raised. */
  readonly hard: number;
}

/** Priority of input and output; see ioprio_set(2). */
export interface IoPriority {
  /** The scheduling class. */
  readonly class: "IOPRIO_CLASS_RT" | "IOPRIO_CLASS_BE" | "IOPRIO_CLASS_IDLE";
  /** The priority within the class, 0 being the highest. */
  readonly priority?: number;
}

/** How a program is scheduled; see sched_setattr(2). */
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
  /** Nanoseconds of a period in which it may run, for `SCHED_DEADLINE`. */
  readonly runtime?: number;
  /** Nanoseconds from the start of a period to its deadline, for `SCHED_DEADLINE`. */
  readonly deadline?: number;
  /** Nanoseconds of a period, for `SCHED_DEADLINE`. */
  readonly period?: number;
}

/** On which CPUs a program runs, each a list such as `0-3,7`. */
export interface CpuAffinity {
  /** While it enters the container. */
  readonly initial?: string;
  /** Once it is in. */
  readonly final?: string;
}
