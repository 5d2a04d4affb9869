import { onAbort } from "./abortable.ts";

/** Maximum delay of one timer in milliseconds: Deno fires a longer one at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** A timer. Disposing of it stops it. */
export interface Timer extends Disposable {
  /** Keeps the program alive, which is the default. Calls the function if the time has passed. */
  ref(): void;
  /** Lets the program end. The function is not called until {@linkcode Timer.ref} is. */
  unref(): void;
}

/**
 * Starts a timer of any length that calls a function, unless it is disposed of first. Until then,
 * it keeps the program alive.
 *
 * The first call of `setTimeout()` loads Node's timers, which takes as long as downloading some
 * megabytes.
 */
export function startTimer(ms: number, onTime: () => void): Timer {
  let timer: AbortSignal;
  let left = ms;
  let listening: Disposable | undefined;
  let isOver = false;
  const unref = () => {
    listening?.[Symbol.dispose]();
    listening = undefined;
  };
  const ref = () => {
    if (isOver) return;
    if (timer.aborted) return onDelay();
    // A listener also keeps the program alive; without one, the timer does not.
    listening ??= onAbort(timer, onDelay);
  };
  const start = () => {
    const delay = Math.min(left, MAX_DELAY_MS);
    left -= delay;
    timer = AbortSignal.timeout(delay);
    ref();
  };
  const onDelay = () => {
    unref();
    if (left > 0) return start();
    isOver = true;
    onTime();
  };
  start();
  return {
    ref,
    unref,
    [Symbol.dispose]() {
      isOver = true;
      unref();
    },
  };
}
