import { NetworkError } from "../../registry/errors.ts";

/** Number of failed reads that end a lookup: each takes minutes if a server stalls. */
const MAX_FAILURES = 4;

/**
 * Failures of the network during a lookup that continues nevertheless: a mirror may have the rest
 * while the registry is unreachable.
 */
export class NetworkFailures {
  #first: NetworkError | undefined;
  #count = 0;

  /** Remembers an error if it is a failure of the network. Returns whether it is one. */
  note(error: unknown): boolean {
    if (!(error instanceof NetworkError)) return false;
    this.#first ??= error;
    return true;
  }

  /**
   * Like {@linkcode NetworkFailures.note}, for one of many reads.
   *
   * @throws {NetworkError} The first failure if there have been too many.
   */
  count(error: unknown): boolean {
    if (!this.note(error)) return false;
    if (++this.#count === MAX_FAILURES) this.throwIfAny();
    return true;
  }

  /**
   * Reports that a lookup found nothing.
   *
   * @throws {NetworkError} The first failure, if any.
   */
  throwIfAny(): void {
    if (this.#first !== undefined) throw this.#first;
  }
}
