const FORWARDED: readonly Deno.Signal[] = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
];

/** Passes the signals that this process gets on to another, until it is disposed of. */
export class SignalForwarder implements Disposable {
  readonly #listeners = new Map<Deno.Signal, () => void>();

  constructor(process: Deno.ChildProcess) {
    for (const name of FORWARDED) {
      const listener = () => {
        try {
          process.kill(name);
        } catch {
          // The process has ended: nobody is left to hear of it.
        }
      };
      Deno.addSignalListener(name, listener);
      this.#listeners.set(name, listener);
    }
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
    this.#listeners.clear();
  }
}
