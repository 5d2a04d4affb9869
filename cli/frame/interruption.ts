/** The user, or the system, asked the program to end. */
export class InterruptedError extends Error {
  /** Exit code that says which signal it was, as shells do: 128 and its number. */
  readonly exitCode: number;

  constructor(signal: Deno.Signal, exitCode: number) {
    super(`interrupted by ${signal}; run the same command again to go on from there`);
    this.name = "InterruptedError";
    this.exitCode = exitCode;
  }
}

const EXIT_CODES: ReadonlyMap<Deno.Signal, number> = new Map([
  ["SIGINT", 130],
  ["SIGTERM", 143],
]);

/** The interruptions by the signals that they abort. */
const interruptions = new WeakMap<AbortSignal, Interruption>();

/**
 * Leaves the signals that would abort `signal` to somebody else: they do nothing here from now
 * on, not even end the program.
 */
export function leaveSignals(signal: AbortSignal): void {
  interruptions.get(signal)?.leave();
}

/**
 * Turns the signals that end a program into an abort, so that what was begun is left in
 * order. A second signal ends the program at once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners = new Map<Deno.Signal, () => void>();
  #isLeft = false;

  constructor() {
    interruptions.set(this.signal, this);
    for (const [name, exitCode] of EXIT_CODES) {
      // Windows has no SIGTERM that a process could listen to.
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

  /** Takes no more notice of signals, and keeps them from what they do by default. */
  leave(): void {
    this.#isLeft = true;
  }

  /** Stops listening: from here on a signal does what it does by default. */
  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
    this.#listeners.clear();
  }
}
