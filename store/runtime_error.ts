import { OciError } from "../spec/mod.ts";

/** A runtime is not there, or could not start a container. */
export class RuntimeError extends OciError {
  /** The runtime's name or path. */
  readonly runtime: string;
  /** What the runtime said. */
  readonly details: readonly string[];

  /** Creates the error; `message` says what was being done, what is wrong and what to do. */
  constructor(
    message: string,
    runtime: string,
    details: readonly string[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.runtime = runtime;
    this.details = details;
  }
}
