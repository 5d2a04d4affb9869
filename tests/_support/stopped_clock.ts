/** Stops `performance.now()` until it is disposed of. Only `pass()` advances the time. */
export function stoppedClock(): Disposable & { pass(ms: number): void } {
  const { now } = performance;
  let time = now.call(performance);
  performance.now = () => time;
  return {
    pass: (ms) => void (time += ms),
    [Symbol.dispose]: () => void (performance.now = now),
  };
}
