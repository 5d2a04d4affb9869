const FORWARDED: readonly Deno.Signal[] = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
];

/** Signals that ask to end. */
const ENDING: ReadonlySet<Deno.Signal> = new Set(["SIGINT", "SIGTERM"]);
/** How often, within how long, somebody asks who means it. */
const INSISTING = { count: 3, withinMs: 2000 };

/** Passes the signals that this process gets on to another, until it is disposed of. */
export class SignalForwarder implements Disposable {
  readonly #listeners = new Map<Deno.Signal, () => void>();
  #asked: readonly number[] = [];

  /**
   * @param process Who gets the signals.
   * @param onInsist Is called when somebody has asked three times within two seconds to end: the
   * first process of a container heeds only what it has a handler for, and could not be ended from
   * a terminal.
   */
  constructor(process: Deno.ChildProcess, onInsist: () => void) {
    for (const name of FORWARDED) {
      const listener = () => {
        try {
          process.kill(name);
        } catch {
          // The process has ended: nobody is left to hear of it.
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
