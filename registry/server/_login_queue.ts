import { Semaphore } from "../tasks/semaphore.ts";

/** Maximum number of checks that wait for another one. */
const MAX_WAITING = 32;

/** Thrown when too many passwords are being checked. */
export class TooManyLoginsError extends Error {
  override readonly name = "TooManyLoginsError";
}

/**
 * Runs password checks one after another, with a pause as long as the last check in between. A
 * check keeps the thread busy, so without pauses other requests would wait for all checks.
 */
export class LoginQueue {
  readonly #turn = new Semaphore(1);
  #count = 0;
  /** Time at which the next check may begin, in milliseconds of {@linkcode performance.now}. */
  #nextAt = 0;

  /**
   * Runs a check after those before it.
   *
   * @throws {TooManyLoginsError} If too many are waiting.
   */
  async run(check: () => Promise<boolean>): Promise<boolean> {
    if (this.#count > MAX_WAITING) {
      throw new TooManyLoginsError("Cannot check the password: too many logins are waiting");
    }
    this.#count++;
    try {
      return await this.#turn.run(() => this.#checkSlowly(check));
    } finally {
      this.#count--;
    }
  }

  async #checkSlowly(check: () => Promise<boolean>): Promise<boolean> {
    const pauseMs = this.#nextAt - performance.now();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const start = performance.now();
    try {
      return await check();
    } finally {
      const end = performance.now();
      this.#nextAt = end + (end - start);
    }
  }
}
