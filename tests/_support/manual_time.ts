/** A pending timer. */
interface ManualTimer {
  readonly due: number;
  readonly fire: () => void;
}

/** Time that passes only when a test says so, until it is disposed of. */
export interface ManualTime extends Disposable {
  /** Lets time pass, and fires the timers whose time has come. */
  pass(ms: number): void;
  /**
   * Lets time pass in each turn of the event loop until a promise settles, starting at once.
   */
  passUntil<T>(ms: number, promise: Promise<T>): Promise<T>;
}

/**
 * Stops the time of `performance.now()`, and of the timers of `setTimeout()` and
 * `AbortSignal.timeout()`, except for timers without a delay.
 */
export function manualTime(): ManualTime {
  const { now } = performance;
  const { timeout } = AbortSignal;
  const { setTimeout, clearTimeout } = globalThis;
  const timers = new Map<number, ManualTimer>();
  let time = now.call(performance);
  // Real timers have positive numbers.
  let last = 0;
  const start = (ms: number, fire: () => void) => {
    timers.set(--last, { due: time + ms, fire });
    return last;
  };
  const pass = (ms: number) => {
    time += ms;
    for (const [id, { due, fire }] of timers) {
      if (due <= time && timers.delete(id)) fire();
    }
  };

  performance.now = () => time;
  AbortSignal.timeout = (ms) => {
    const controller = new AbortController();
    start(ms, () => controller.abort(new DOMException("Signal timed out.", "TimeoutError")));
    return controller.signal;
  };
  const manual = (callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    return ms > 0 ? start(ms, () => callback(...args)) : setTimeout(callback, ms, ...args);
  };
  globalThis.setTimeout = manual as unknown as typeof setTimeout;
  globalThis.clearTimeout = (id) => {
    if (typeof id !== "number" || !timers.delete(id)) clearTimeout(id);
  };

  return {
    pass,
    async passUntil(ms, promise) {
      let isSettled = false;
      const settle = () => void (isSettled = true);
      promise.then(settle, settle);
      while (!isSettled) {
        pass(ms);
        await new Promise((resolve) => setTimeout(resolve));
      }
      return await promise;
    },
    [Symbol.dispose]() {
      performance.now = now;
      AbortSignal.timeout = timeout;
      Object.assign(globalThis, { setTimeout, clearTimeout });
    },
  };
}
