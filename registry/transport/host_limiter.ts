import type { Clock } from "../remote_client_options.ts";
import { WaitingLine } from "../tasks/waiting_line.ts";

const SUCCESSES_PER_STEP = 10;

/**
 * Limits the concurrent transfers with one host. Starts at the maximum, halves the limit when the
 * host reports too many requests, and raises it by one after ten successes.
 */
export class HostLimiter {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #line = new WaitingLine();
  #limit: number;
  #active = 0;
  #successes = 0;
  #pausedUntil = 0;

  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#limit = max;
    this.#clock = clock;
  }

  /** Current limit of concurrent transfers. */
  get limit(): number {
    return this.#limit;
  }

  /** Waits for a slot; disposing of the slot releases it. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#active >= this.#limit || this.#line.length > 0) await this.#line.wait(signal);
    else this.#active++;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#active--;
        this.#next();
      },
    };
  }

  /** Waits for the end of a pause that the host requested. */
  async ready(signal?: AbortSignal): Promise<void> {
    const ms = this.#pausedUntil - this.#clock.now();
    if (ms > 0) await this.#clock.sleep(ms, signal);
  }

  /** Records a success. */
  succeeded(): void {
    if (this.#limit >= this.#max || ++this.#successes < SUCCESSES_PER_STEP) return;
    this.#successes = 0;
    this.#limit++;
    this.#next();
  }

  /** Records that the host reports too many requests, with the requested pause. */
  throttled(pauseMs: number): void {
    this.#successes = 0;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.now() + pauseMs);
  }

  /** Assigns free slots to waiting callers, synchronously so that no other caller takes them. */
  #next(): void {
    while (this.#active < this.#limit && this.#line.next()) this.#active++;
  }
}
