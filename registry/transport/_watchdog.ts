import { onAbort } from "../tasks/abortable.ts";
import { startTimer, type Timer } from "../tasks/timer.ts";

/** Minimum number of bytes that a server must send within the stall timeout. */
export const TRICKLE_BYTES = 1024;

/** Options for {@linkcode Watchdog}. */
export interface WatchdogOptions {
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined;
  /** Maximum time without data from the server, in milliseconds. */
  readonly stallTimeoutMs: number;
  /** Creates the error for a server that sends nothing, or less than {@linkcode TRICKLE_BYTES}. */
  readonly stallError: (isTrickle: boolean) => Error;
  /** Called when a wait is abandoned, to release its resource. */
  readonly onGiveUp: () => void;
}

/**
 * Ends waits for a server when the caller's signal is aborted or the server stalls.
 *
 * A wait ends even if its promise stays pending: Deno 2.9 does not reject a pending read of a body
 * when the signal of its `fetch` is aborted after a garbage collection.
 */
export class Watchdog implements Disposable {
  readonly #options: WatchdogOptions;
  #aborting: Disposable | undefined;
  #timer: Timer | undefined;
  #waitingSince = 0;
  #trickledBytes = 0;
  #trickledMs = 0;
  #reject: ((reason: unknown) => void) | undefined;
  #end: { readonly reason: unknown } | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    const { signal } = options;
    this.#aborting = onAbort(signal, () => this.#giveUp(signal?.reason));
  }

  /** Whether a wait was abandoned, or the next one will be. */
  get hasGivenUp(): boolean {
    return this.#end !== undefined;
  }

  /** Waits for `pending`, an abort or a stall. Only one wait runs at a time. */
  async wait<T>(pending: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    pending.then(resolve, reject);
    if (this.#end !== undefined) reject(this.#end.reason);
    this.#reject = reject;
    this.#waitingSince = performance.now();
    // One timer serves many waits, because a timer per chunk would cost more than the chunk. It
    // must be ref'd: while the program only waits for a read, Deno 2.9 never fires an unref'd one.
    if (this.#timer !== undefined) this.#timer.ref();
    else if (this.#end === undefined) {
      this.#timer = startTimer(this.#options.stallTimeoutMs, this.#check);
    }
    try {
      return await promise;
    } catch (error) {
      // Report the reason instead of the failures that follow from it.
      throw this.#end === undefined ? error : this.#end.reason;
    } finally {
      this.#waitingSince = 0;
      this.#reject = undefined;
      // A body that nothing reads any more does not keep the program alive.
      this.#timer?.unref();
    }
  }

  /** Suspends the watch while the server waits for the client, such as for a request body. */
  suspend(): void {
    if (this.#waitingSince !== 0) this.#waitingSince = Infinity;
  }

  /** Restarts the current wait after the server has accepted data. */
  resume(): void {
    if (this.#waitingSince !== 0) this.#waitingSince = performance.now();
  }

  /** Counts received bytes, and gives up on a server that sends them too slowly. */
  received(bytes: number, waitedMs: number): void {
    this.#trickledBytes += bytes;
    this.#trickledMs += waitedMs;
    if (this.#trickledBytes >= TRICKLE_BYTES) this.#trickledBytes = this.#trickledMs = 0;
    const { stallTimeoutMs, stallError } = this.#options;
    if (this.#trickledMs < stallTimeoutMs) return;
    const error = stallError(true);
    this.#giveUp(error);
    throw error;
  }

  /** Stops watching. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#aborting?.[Symbol.dispose]();
  }

  /** Abandons a wait that has taken too long; a slow consumer is not a stall. */
  #check = (): void => {
    this.#timer = undefined;
    if (this.#waitingSince === 0) return;
    const { stallTimeoutMs, stallError } = this.#options;
    const left = this.#waitingSince + stallTimeoutMs - performance.now();
    if (left > 0) this.#timer = startTimer(Math.min(left, stallTimeoutMs), this.#check);
    else this.#giveUp(stallError(false));
  };

  #giveUp(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this[Symbol.dispose]();
    this.#options.onGiveUp();
    this.#reject?.(reason);
  }
}
