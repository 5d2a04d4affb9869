/** Maximum delay of one timer in milliseconds: Deno fires a longer one at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * Starts a timer of any length that calls a function, unless it is disposed of first. Until then,
 * it keeps the program alive.
 *
 * The first call of `setTimeout()` loads Node's timers, which takes as long as downloading some
 * megabytes.
 */
export function startTimer(ms: number, onTime: () => void): Disposable {
  let stop: () => void;
  const start = (left: number) => {
    const delay = Math.min(left, MAX_DELAY_MS);
    const signal = AbortSignal.timeout(delay);
    const onDelay = () => delay < left ? start(left - delay) : onTime();
    // A listener also keeps the program alive; without one, the timer does not.
    signal.addEventListener("abort", onDelay, { once: true });
    stop = () => signal.removeEventListener("abort", onDelay);
  };
  start(ms);
  return { [Symbol.dispose]: () => stop() };
}
