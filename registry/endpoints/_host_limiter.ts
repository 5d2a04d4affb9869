import type { Clock } from "../remote_client_options.ts";
import { Semaphore } from "../tasks/semaphore.ts";

const SUCCESSES_PER_STEP = 10;

/**
 * Limits the concurrent transfers with one host. Starts at the maximum, halves the limit when the
 * host reports too many requests, and raises it by one after ten successes.
 */
export class HostLimiter extends Semaphore {
  readonly #max: number;
  readonly #clock: Clock;
  #successes = 0;
  #pausedUntil = 0;

  constructor(max: number, clock: Clock) {
    super(max);
    this.#max = max;
    this.#clock = clock;
  }

  /** Waits for the end of a pause that the host requested. */
  async ready(signal?: AbortSignal): Promise<void> {
    const ms = this.#pausedUntil - this.#clock.now();
    if (ms > 0) await this.#clock.sleep(ms, signal);
  }

  /** Records a success. */
  succeeded(): void {
    if (this.limit >= this.#max || ++this.#successes < SUCCESSES_PER_STEP) return;
    this.#successes = 0;
    this.limit++;
  }

  /** Records that the host reports too many requests, with the requested pause. */
  throttled(pauseMs: number): void {
    this.#successes = 0;
    this.limit = Math.max(1, Math.floor(this.limit / 2));
    this.pause(pauseMs);
  }

  /** Records that the host requests a pause. */
  pause(pauseMs: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.now() + pauseMs);
  }
}
