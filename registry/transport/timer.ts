/**
 * Calls a function after a time, unless it is disposed of first. Until then, it keeps the program
 * alive.
 *
 * The first call of `setTimeout()` loads Node's timers, which takes as long as downloading some
 * megabytes.
 */
export function startTimer(ms: number, onTime: () => void): Disposable {
  const signal = AbortSignal.timeout(ms);
  // A listener also keeps the program alive; without one, the timer does not.
  signal.addEventListener("abort", onTime, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", onTime) };
}
