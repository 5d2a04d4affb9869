/** A clock that stands still between the calls of `pass`, until it is disposed of. */
export function stoppedClock(): Disposable & { pass(ms: number): void } {
  const { now } = performance;
  let time = now.call(performance);
  performance.now = () => time;
  return {
    pass: (ms) => void (time += ms),
    [Symbol.dispose]: () => void (performance.now = now),
  };
}
