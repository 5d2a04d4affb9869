import type { Container } from "./_container.ts";

/** Signals that ask a process to end, with the exit codes that shells use for them. */
const EXIT_CODES: ReadonlyMap<Deno.Signal, number> = new Map([
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGQUIT", 131],
  ["SIGTERM", 143],
]);

const FORWARDED: readonly Deno.Signal[] = [...EXIT_CODES.keys(), "SIGUSR1", "SIGUSR2", "SIGWINCH"];

/** Signals that a user repeats if the container does not end. */
const REPEATED: ReadonlySet<Deno.Signal> = new Set(["SIGINT", "SIGTERM"]);
/** Number of such signals within a period that count as insisting. */
const INSISTING = { count: 3, withinMs: 2000 };

/** Interval between checks whether the program has begun. */
const PAUSE_MS = 20;

/** Returns the exit code of a process that a signal ended. */
export function exitCodeOfSignal(name: Deno.Signal): number {
  return EXIT_CODES.get(name) ?? 1;
}

/** Options for {@linkcode SignalForwarder}. */
interface SignalForwarderOptions {
  /** Called once if a signal asks to end before the program has begun. */
  readonly onStop: (name: Deno.Signal) => void;
  /**
   * Called after three requests to end within two seconds. The first process of a container receives
   * only signals that it handles, so Ctrl-C alone may not end it.
   */
  readonly onInsist: () => void;
}

/**
 * Forwards the signals of this process to the program of a container, one at a time, until it is
 * disposed of. Before the program has begun, signals that ask to end cancel the start, and others
 * wait.
 */
export class SignalForwarder implements AsyncDisposable {
  readonly #container: Container;
  readonly #options: SignalForwarderOptions;
  readonly #listeners = new Map<Deno.Signal, () => void>();
  /** Signals to send; as in the kernel, each of them at most once. */
  readonly #pending = new Set<Deno.Signal>();
  #delivery: Promise<void> | undefined;
  #hasExecuted = false;
  #isOver = false;
  #asked: readonly number[] = [];

  constructor(container: Container, options: SignalForwarderOptions) {
    this.#container = container;
    this.#options = options;
    for (const name of FORWARDED) {
      const listener = () => this.#forward(name);
      Deno.addSignalListener(name, listener);
      this.#listeners.set(name, listener);
    }
  }

  #forward(name: Deno.Signal): void {
    // The runtime copies the new size of its terminal to that of the container.
    if (name === "SIGWINCH") return this.#container.signalRuntime(name);
    if (REPEATED.has(name) && this.#isInsisting()) this.#options.onInsist();
    this.#pending.add(name);
    this.#delivery ??= this.#deliver().finally(() => this.#delivery = undefined);
  }

  async #deliver(): Promise<void> {
    while (!this.#isOver && this.#pending.size > 0) {
      this.#hasExecuted ||= await this.#container.hasExecuted();
      if (this.#hasExecuted) {
        const [name = "SIGTERM"] = this.#pending;
        this.#pending.delete(name);
        await this.#container.send(name);
        continue;
      }
      const ending = [...this.#pending].find((name) => EXIT_CODES.has(name));
      if (ending !== undefined) {
        this.#isOver = true;
        return this.#options.onStop(ending);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #isInsisting(): boolean {
    const now = performance.now();
    this.#asked = [...this.#asked, now].filter((time) => now - time < INSISTING.withinMs);
    return this.#asked.length >= INSISTING.count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
    this.#listeners.clear();
    await this.#delivery;
  }
}
