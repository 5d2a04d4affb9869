/** What happens at a system call. */
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

/** How an argument of a system call is compared. */
export type SeccompOperator =
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_MASKED_EQ"
  | "SCMP_CMP_NE";

/** Which system calls a container may make; see seccomp(2). */
export interface SeccompProfile {
  /** What happens at a system call that no rule names. */
  readonly defaultAction: SeccompAction;
  /** The error number of a default action that returns one. */
  readonly defaultErrnoRet?: number;
  /** Architectures whose calls are filtered, such as `SCMP_ARCH_X86_64`. */
  readonly architectures?: readonly string[];
  /** Flags of seccomp(2), such as `SECCOMP_FILTER_FLAG_LOG`. */
  readonly flags?: readonly string[];
  /** Socket that is told of calls with `SCMP_ACT_NOTIFY`. */
  readonly listenerPath?: string;
  /** Data for who listens there. */
  readonly listenerMetadata?: string;
  /** The rules. */
  readonly syscalls?: readonly SeccompRule[];
}

/** What happens at some system calls. */
export interface SeccompRule {
  /** Names of system calls; those that the kernel does not have are passed over. */
  readonly names: readonly string[];
  /** What happens at them. */
  readonly action: SeccompAction;
  /** The error number of an action that returns one. */
  readonly errnoRet?: number;
  /** Conditions, all of which must hold. */
  readonly args?: readonly SeccompArgument[];
}

/** A condition on an argument of a system call. */
export interface SeccompArgument {
  /** Which argument, from 0. */
  readonly index: number;
  /** What it is compared with; the mask for `SCMP_CMP_MASKED_EQ`. */
  readonly value: number;
  /** What the masked argument is compared with. */
  readonly valueTwo?: number;
  /** How it is compared. */
  readonly op: SeccompOperator;
}
