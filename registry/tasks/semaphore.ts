import { onAbort } from "./abortable.ts";

/** Limits the number of concurrent tasks; the others wait in order of arrival. */
export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  #limit: number;
  #active = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Number of tasks that may run at once. Lowering it stops none of those that run. */
  get limit(): number {
    return this.#limit;
  }

  set limit(limit: number) {
    this.#limit = limit;
    this.#admit();
  }

  /** Number of tasks that run. */
  protected get active(): number {
    return this.#active;
  }

  /** Waits for a permit. Disposing of the permit returns it. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#active >= this.#limit) await this.#wait(signal);
    else this.#active++;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#active--;
        isHeld = false;
        this.#admit();
      },
    };
  }

  /** Runs a task once a permit is available. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    using _permit = await this.acquire(signal);
    return await task();
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    using _leave = onAbort(signal, () => {
      const at = this.#waiting.indexOf(resolve);
      // The caller may have been admitted at the same time.
      if (at >= 0) this.#waiting.splice(at, 1);
      reject(signal?.reason);
    });
    await promise;
  }

  /** Gives free permits to waiting callers, synchronously so that no other caller takes them. */
  #admit(): void {
    while (this.#active < this.#limit && this.#waiting.length > 0) {
      this.#active++;
      this.#waiting.shift()?.();
    }
  }
}
