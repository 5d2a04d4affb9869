const BEAT_MS = 1_000;

/**
 * Watches this thread from another one, because an endless loop here would disable every deadline:
 * it then reports the acts in progress and kills the process.
 */
export class Watchdog implements Disposable {
  readonly #worker: Worker;
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param describe Returns what is played, for the report. */
  constructor(describe: () => string) {
    const url = new URL("./watchdog_worker.ts", import.meta.url);
    this.#worker = new Worker(url, { type: "module" });
    this.#timer = setInterval(() => this.#worker.postMessage(describe()), BEAT_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#worker.terminate();
  }
}
