import { onAbort } from "./abortable.ts";

/** A first-in, first-out queue of waiting callers. */
export class WaitingLine {
  readonly #waiting: (() => void)[] = [];

  /** Number of waiting callers. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Waits for a turn; rejects with the signal's reason. */
  async wait(signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      const at = this.#waiting.indexOf(resolve);
      // The caller may have been released at the same time.
      if (at >= 0) this.#waiting.splice(at, 1);
      reject(signal?.reason);
    };
    this.#waiting.push(resolve);
    using _leave = onAbort(signal, leave);
    await promise;
  }

  /** Releases the first caller. Returns whether there was one. */
  next(): boolean {
    const first = this.#waiting.shift();
    first?.();
    return first !== undefined;
  }
}
