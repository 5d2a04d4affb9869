/** Action for a system call. */
export type SeccompAction =
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_TRAP";

/** Comparison of an argument of a system call. */
export type SeccompOperator =
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_MASKED_EQ"
  | "SCMP_CMP_NE";

/** Filter for the system calls of a container; see seccomp(2). */
export interface SeccompProfile {
  /** Action for system calls without a rule. */
  readonly defaultAction: SeccompAction;
  /** The error number of a default action that returns one. */
  readonly defaultErrnoRet?: number;
  /** Architectures whose calls are filtered, such as `SCMP_ARCH_X86_64`. */
  readonly architectures?: readonly string[];
  /** Flags of seccomp(2), such as `SECCOMP_FILTER_FLAG_LOG`. */
  readonly flags?: readonly string[];
  /** Socket that receives notifications of calls with `SCMP_ACT_NOTIFY`. */
  readonly listenerPath?: string;
  /** Data for the listener at the socket. */
  readonly listenerMetadata?: string;
  /** The rules. */
  readonly syscalls?: readonly SeccompRule[];
}

/** A rule for system calls. */
export interface SeccompRule {
  /** Names of system calls. Those that the kernel lacks are ignored. */
  readonly names: readonly string[];
  /** Action for the calls. */
  readonly action: SeccompAction;
  /** The error number of an action that returns one. */
  readonly errnoRet?: number;
  /** Conditions that must all hold. */
  readonly args?: readonly SeccompArgument[];
}

/** A condition on an argument of a system call. */
export interface SeccompArgument {
  /** Index of the argument, from 0. */
  readonly index: number;
  /** Value to compare with; the mask for `SCMP_CMP_MASKED_EQ`. */
  readonly value: number;
  /** Value to compare the masked argument with. */
  readonly valueTwo?: number;
  /** Comparison operator. */
  readonly op: SeccompOperator;
}
