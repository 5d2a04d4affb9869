/** Those who wait for their turn, in the order in which they came. */
export class WaitingLine {
  readonly #waiting: (() => void)[] = [];

  /** How many wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Waits for a turn, or for the signal, with whose reason it fails. */
  async wait(signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      const at = this.#waiting.indexOf(resolve);
      // The turn may have come at the same time.
      if (at >= 0) this.#waiting.splice(at, 1);
      reject(signal?.reason);
    };
    this.#waiting.push(resolve);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Lets the first one go on, and says whether there was one. */
  next(): boolean {
    const first = this.#waiting.shift();
    first?.();
    return first !== undefined;
  }
}
