import { OciError } from "../spec/errors.ts";

/** Options for {@linkcode RuntimeError}. */
export interface RuntimeErrorOptions extends ErrorOptions {
  /**
   * The exit code that shells have for what is wrong.
   *
   * @default {1}
   */
  readonly exitCode?: number;
}

/** A runtime is not there, or could not start a container. */
export class RuntimeError extends OciError {
  /** The runtime's name or path. */
  readonly runtime: string;
  /** What the runtime said. */
  readonly details: readonly string[];
  /** 127 if the command was not found, 126 if it cannot be executed, as shells have it; else 1. */
  readonly exitCode: number;

  /** Creates the error; `message` says what was being done, what is wrong and what to do. */
  constructor(
    message: string,
    runtime: string,
    details: readonly string[] = [],
    options: RuntimeErrorOptions = {},
  ) {
    super(message, options);
    this.runtime = runtime;
    this.details = details;
    this.exitCode = options.exitCode ?? 1;
  }
}
