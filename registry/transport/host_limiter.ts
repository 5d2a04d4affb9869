import type { Clock } from "../remote_client_options.ts";
import { WaitingLine } from "./waiting_line.ts";

const SUCCESSES_PER_STEP = 10;

/**
 * How many transfers with one host are under way. It starts at the most that is allowed, halves
 * when the host has too many requests, and grows by one with every ten that succeed.
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

  /** How many transfers may be under way now. */
  get limit(): number {
    return this.#limit;
  }

  /** Waits for a place, which is given back by disposing of it. */
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

  /** Waits for the end of a pause that the host asked for. */
  async ready(signal?: AbortSignal): Promise<void> {
    const ms = this.#pausedUntil - this.#clock.now();
    if (ms > 0) await this.#clock.sleep(ms, signal);
  }

  /** Notes that a request was answered. */
  succeeded(): void {
    if (this.#limit >= this.#max || ++this.#successes < SUCCESSES_PER_STEP) return;
    this.#successes = 0;
    this.#limit++;
    this.#next();
  }

  /** Notes that the host has too many requests, and for how long it wants none. */
  throttled(pauseMs: number): void {
    this.#successes = 0;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.now() + pauseMs);
  }

  /** Gives free places to those who wait; the place is taken here, before anybody else can. */
  #next(): void {
    while (this.#active < this.#limit && this.#line.next()) this.#active++;
  }
}
