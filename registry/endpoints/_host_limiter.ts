import type { Clock } from "../remote_client_options.ts";
import { Semaphore } from "../tasks/semaphore.ts";

const SUCCESSES_PER_STEP = 10;

/**
 * Limits the concurrent transfers with one host. Starts at the maximum, allows half of the transfers
 * that there were when the host reports too many requests, and raises the limit by one after ten
 * successes.
 */
export class HostLimiter extends Semaphore {
  readonly #max: number;
  readonly #clock: Clock;
  #successes = 0;
  #pausedUntil = 0;
  /** Maximum number of concurrent transfers since the last refusal. */
  #peak = 0;

  constructor(max: number, clock: Clock) {
    super(max);
    this.#max = max;
    this.#clock = clock;
  }

  /** Waits for a permit for a transfer. */
  override async acquire(signal?: AbortSignal): Promise<Disposable> {
    const permit = await super.acquire(signal);
    this.#peak = Math.max(this.#peak, this.active);
    return permit;
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
    // A limit above the number of transfers must drop below it to have an effect. A single transfer
    // does not show how many would be too many.
    const used = this.#peak > 1 ? Math.min(this.#peak, this.limit) : this.limit;
    this.limit = Math.max(1, Math.floor(used / 2));
    this.#peak = Math.min(this.#peak, this.limit);
    this.pause(pauseMs);
  }

  /** Records that the host requests a pause. */
  pause(pauseMs: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.now() + pauseMs);
  }
}
