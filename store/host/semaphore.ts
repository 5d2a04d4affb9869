import { WaitingLine } from "../../registry/transport/waiting_line.ts";

/** Lets a number of tasks in at a time, in the order in which they came. */
export class Semaphore {
  readonly #line = new WaitingLine();
  #free: number;

  constructor(permits: number) {
    this.#free = permits;
  }

  /** Waits for a permit, which is given back by disposing of it. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#line.wait(signal);
    return { [Symbol.dispose]: () => this.#release() };
  }

  /** Runs a task when there is a permit. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    using _permit = await this.acquire(signal);
    return await task();
  }

  #release(): void {
    if (!this.#line.next()) this.#free++;
  }
}
