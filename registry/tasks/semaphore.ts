import { WaitingLine } from "./waiting_line.ts";

/** Limits the number of concurrent tasks; the others wait in order of arrival. */
export class Semaphore {
  readonly #line = new WaitingLine();
  #free: number;

  constructor(permits: number) {
    this.#free = permits;
  }

  /** Waits for a permit. Disposing of the permit returns it. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#line.wait(signal);
    return { [Symbol.dispose]: () => this.#release() };
  }

  /** Runs a task once a permit is available. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    using _permit = await this.acquire(signal);
    return await task();
  }

  #release(): void {
    if (!this.#line.next()) this.#free++;
  }
}
