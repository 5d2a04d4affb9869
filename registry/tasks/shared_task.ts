import { onAbort } from "./abortable.ts";

/**
 * A task shared by several callers. The wait of an aborted caller rejects at once; the task itself
 * is aborted when no caller is waiting any more.
 */
class SharedTask<T> {
  readonly #controller = new AbortController();
  readonly #result: Promise<T>;
  #waiting = 0;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#result = work(this.#controller.signal);
    // Callers receive the error. Without this, an unhandled rejection would end the process.
    this.#result.catch(() => {});
  }

  /** Whether no caller is waiting any more. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** Waits for the result. */
  async wait(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const { promise, reject } = Promise.withResolvers<never>();
    let isWaiting = true;
    const leave = () => {
      if (isWaiting && --this.#waiting === 0) this.#controller.abort();
      isWaiting = false;
    };
    this.#waiting++;
    using _stop = onAbort(signal, () => {
      reject(signal?.reason);
      // Leave synchronously, so that the next caller does not join a task that is being aborted.
      leave();
    });
    try {
      return await Promise.race([this.#result, promise]);
    } finally {
      leave();
    }
  }
}

/** Runs at most one task per key at a time, and shares it between callers. */
export class SharedTasks<T> {
  readonly #tasks = new Map<string, SharedTask<T>>();

  /** Joins the task of `key`, or starts it. */
  async run(
    key: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    let task = this.#tasks.get(key);
    if (task === undefined || task.idle) {
      task = new SharedTask(work);
      this.#tasks.set(key, task);
    }
    try {
      return await task.wait(signal);
    } finally {
      if (this.#tasks.get(key) === task && task.idle) this.#tasks.delete(key);
    }
  }
}
