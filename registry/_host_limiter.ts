import type { Clock } from "./remote_client_options.ts";

const SUCCESSES_PER_STEP = 10;

interface Waiting {
  readonly start: () => void;
}

/**
 * How many transfers with one host are under way. It starts at the most that is allowed, halves
 * when the host has too many requests, and grows by one with every ten that succeed.
 */
export class HostLimiter {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #queue: Waiting[] = [];
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
    if (this.#active >= this.#limit || this.#queue.length > 0) await this.#wait(signal);
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

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { start: resolve };
    const stop = () => {
      const at = this.#queue.indexOf(waiting);
      // Its turn may have come at the same time.
      if (at >= 0) this.#queue.splice(at, 1);
      reject(signal?.reason);
    };
    this.#queue.push(waiting);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Gives free places to those who wait; the place is taken here, before anybody else can. */
  #next(): void {
    while (this.#active < this.#limit) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) return;
      this.#active++;
      waiting.start();
    }
  }
}
