/**
 * Work that several callers wait for, done once. A caller who stops waiting rejects at once;
 * the work itself stops when nobody waits any more.
 */
export class SharedTask<T> {
  readonly #controller = new AbortController();
  readonly #result: Promise<T>;
  #waiting = 0;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#result = work(this.#controller.signal);
    // Whoever waits gets the error; without this, one that nobody waits for ends the process.
    this.#result.catch(() => {});
  }

  /** Whether nobody waits any more. */
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
    // At once, so that who comes next does not join what is about to be stopped.
    const stop = () => {
      reject(signal?.reason);
      leave();
    };
    signal?.addEventListener("abort", stop, { once: true });
    this.#waiting++;
    try {
      return await Promise.race([this.#result, promise]);
    } finally {
      signal?.removeEventListener("abort", stop);
      leave();
    }
  }
}

/** Does work under a key once at a time: who asks while it is under way shares it. */
export class SingleFlight<T> {
  readonly #tasks = new Map<string, SharedTask<T>>();

  /** Joins the work under `key`, or starts it. */
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
