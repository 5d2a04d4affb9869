import { abortable } from "./abortable.ts";

/** Work for {@linkcode SingleFlight.run}. */
export interface FlightOptions<Result, Progress> {
  /** Returns the result if it already exists. */
  readonly find: () => Result | undefined | Promise<Result | undefined>;
  /** Does the work. Called by one task at a time. */
  readonly work: (report: (progress: Progress) => void) => Promise<Result>;
  /** Called with the progress of the work, no matter which task does it. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Ends the wait for another task. */
  readonly signal?: AbortSignal | undefined;
}

/** Work in progress, and the tasks that wait for it. */
interface Flight<Progress> {
  readonly ended: Promise<void>;
  readonly listeners: Set<(progress: Progress) => void>;
  progress: Progress | undefined;
}

/**
 * Does work once for all tasks of this process that need it. One task does it; the others wait and
 * receive its progress. If that task fails or is stopped, another one takes over.
 */
export class SingleFlight<Progress = never> {
  readonly #flights = new Map<string, Flight<Progress>>();

  /** Finds a result, or does the work for it. */
  async run<Result>(key: string, options: FlightOptions<Result, Progress>): Promise<Result> {
    const { find, work, onProgress, signal } = options;
    for (;;) {
      signal?.throwIfAborted();
      const found = await find();
      if (found !== undefined) return found;
      const other = this.#flights.get(key);
      if (other === undefined) break;
      await join(other, signal, onProgress);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const own: Flight<Progress> = { ended: promise, listeners: new Set(), progress: undefined };
    if (onProgress !== undefined) own.listeners.add(onProgress);
    this.#flights.set(key, own);
    try {
      return await work((progress) => {
        own.progress = progress;
        for (const listener of own.listeners) listener(progress);
      });
    } finally {
      this.#flights.delete(key);
      resolve();
    }
  }
}

/** Waits until another task has ended, and reports its progress. */
async function join<Progress>(
  other: Flight<Progress>,
  signal: AbortSignal | undefined,
  onProgress: ((progress: Progress) => void) | undefined,
): Promise<void> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => {});
  // An error of this task's callback must not fail the other task.
  const listener = (progress: Progress) => {
    try {
      onProgress?.(progress);
    } catch (error) {
      other.listeners.delete(listener);
      reject(error);
    }
  };
  other.listeners.add(listener);
  try {
    if (other.progress !== undefined) listener(other.progress);
    await abortable(Promise.race([other.ended, failed]), signal);
  } finally {
    other.listeners.delete(listener);
  }
}
