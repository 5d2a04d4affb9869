import { type ErrorCode, errorMessage } from "../../spec/error_facts.ts";

/** Advice for a text that is not a reference. */
export const NAME_ADVICE = 'Write a name such as "alpine:3.20" or "ghcr.io/owner/app@sha256:…"';

/** Codes of errors: the library's, and those of the command line. */
export type CommandErrorCode =
  | ErrorCode
  /** The command line is invalid. */
  | "usage"
  /** The command cannot do its work. */
  | "command"
  /** A signal ended the program. */
  | "interrupted"
  /** Deno does not permit the operation. */
  | "permission"
  /** The operating system refused an operation. */
  | "system"
  /** Everything else. */
  | "unexpected";

export interface CommandErrorOptions extends ErrorOptions {
  /** @default {"command"} */
  readonly code?: CommandErrorCode | undefined;
  /** What the error is about, such as a path or an option. */
  readonly subject?: string | undefined;
}

/** Thrown when a command itself finds a problem. The remedy is in terms of its options. */
export class CommandError extends Error {
  readonly code: CommandErrorCode;
  /** What the error is about, such as a path or an option. */
  readonly subject: string | undefined;
  /** The cause in words. */
  readonly problem: string;
  /** What to do, as a sentence without a period. */
  readonly remedy: string;

  constructor(problem: string, remedy: string, options: CommandErrorOptions = {}) {
    const { code = "command", subject, ...rest } = options;
    super(errorMessage({ problem, advice: remedy }), rest);
    this.name = new.target.name;
    this.code = code;
    this.subject = subject;
    this.problem = problem;
    this.remedy = remedy;
  }
}

/** Thrown when the command line is invalid. */
export class UsageError extends CommandError {
  override readonly code = "usage" as const;

  constructor(problem: string, remedy = "See --help", options: CommandErrorOptions = {}) {
    super(problem, remedy, options);
  }
}
