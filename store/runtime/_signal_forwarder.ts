const FORWARDED: readonly Deno.Signal[] = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
];

/** Signals that ask a process to end. */
const ENDING: ReadonlySet<Deno.Signal> = new Set(["SIGINT", "SIGTERM"]);
/** Number of such signals within a time that count as insistence. */
const INSISTING = { count: 3, withinMs: 2000 };

/** Forwards the signals of this process to another one, until it is disposed of. */
export class SignalForwarder implements Disposable {
  readonly #listeners = new Map<Deno.Signal, () => void>();
  #asked: readonly number[] = [];

  /**
   * @param process Receiver of the signals.
   * @param onInsist Called after three such signals within two seconds. The first process of a
   * container receives only signals that it handles, so the terminal could not end it otherwise.
   */
  constructor(process: Deno.ChildProcess, onInsist: () => void) {
    for (const name of FORWARDED) {
      const listener = () => {
        try {
          process.kill(name);
        } catch {
          // The process has ended.
        }
        if (ENDING.has(name) && this.#isInsisting()) onInsist();
      };
      Deno.addSignalListener(name, listener);
      this.#listeners.set(name, listener);
    }
  }

  #isInsisting(): boolean {
    const now = performance.now();
    this.#asked = [...this.#asked, now].filter((time) => now - time < INSISTING.withinMs);
    return this.#asked.length >= INSISTING.count;
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
    this.#listeners.clear();
  }
}
