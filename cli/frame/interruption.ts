/** Thrown when a signal ends the program. */
export class InterruptedError extends Error {
  /** The cause in words. */
  readonly problem: string;
  /** Exit code by the convention of shells: 128 plus the number of the signal. */
  readonly exitCode: number;

  constructor(signal: Deno.Signal, exitCode: number) {
    const problem = `interrupted by ${signal}`;
    super(`${problem}. Run the same command again to resume`);
    this.problem = problem;
    this.name = "InterruptedError";
    this.exitCode = exitCode;
  }
}

const EXIT_CODES: ReadonlyMap<Deno.Signal, number> = new Map([
  ["SIGINT", 130],
  ["SIGTERM", 143],
]);

/**
 * Converts the signals that end a program to an abort, so that running work can clean up. A second
 * signal ends the program at once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners = new Map<Deno.Signal, () => void>();
  #isLeft = false;

  constructor() {
    for (const [name, exitCode] of EXIT_CODES) {
      // Processes on Windows cannot listen to SIGTERM.
      if (Deno.build.os === "windows" && name === "SIGTERM") continue;
      const listener = () => {
        if (this.#isLeft) return;
        this[Symbol.dispose]();
        this.#controller.abort(new InterruptedError(name, exitCode));
      };
      Deno.addSignalListener(name, listener);
      this.#listeners.set(name, listener);
    }
  }

  /** Aborts with an {@linkcode InterruptedError}. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Leaves the signals to other code: they neither abort `signal` nor end the program. */
  leave(): void {
    this.#isLeft = true;
  }

  /** Stops listening and restores the default effect of signals. */
  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
    this.#listeners.clear();
  }
}
