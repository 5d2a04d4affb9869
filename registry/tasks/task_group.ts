import { eitherSignal } from "./abortable.ts";

/**
 * Tasks that run concurrently. The first failure aborts the signal of the others, and is thrown
 * once all tasks have ended.
 */
export class TaskGroup {
  /** Aborted when the caller stops the group or a task fails. */
  readonly signal: AbortSignal;
  readonly #caller: AbortSignal | undefined;
  readonly #failure = new AbortController();
  readonly #tasks: Promise<unknown>[] = [];

  /** Creates a group; `signal` stops it. */
  constructor(signal?: AbortSignal) {
    const failure = this.#failure.signal;
    this.#caller = signal;
    this.signal = eitherSignal(signal, failure);
  }

  /** Starts a task. Its failure is handled, whether or not the caller awaits the result. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const running = Promise.try(task);
    running.catch((error) => this.fail(error));
    this.#tasks.push(running);
    return running;
  }

  /**
   * Runs a task for each item, for at most `limit` items at a time, and waits until all have ended.
   *
   * @throws As {@linkcode TaskGroup.join} does.
   */
  async each<T>(
    items: readonly T[],
    limit: number,
    task: (item: T) => Promise<void>,
  ): Promise<void> {
    const rest = items.values();
    const runNext = async () => {
      for (const item of rest) {
        this.signal.throwIfAborted();
        await task(item);
      }
    };
    const length = Math.min(limit, items.length);
    await Promise.allSettled(Array.from({ length }, () => this.run(runNext)));
    this.#throwIfStopped();
  }

  /** Stops the group with an error. */
  fail(error: unknown): void {
    this.#failure.abort(error);
  }

  /**
   * Waits until all tasks have ended.
   *
   * @throws The reason of the caller's signal, or else the first failure.
   */
  async join(): Promise<void> {
    await Promise.allSettled(this.#tasks);
    this.#throwIfStopped();
  }

  #throwIfStopped(): void {
    this.#caller?.throwIfAborted();
    this.#failure.signal.throwIfAborted();
  }
}
