import { FAR_LATENCY_MS } from "./_first_range.ts";
import type { Segment } from "./_segment.ts";

/** Number of ranges whose median is usual. */
const SAMPLES = 12;
/** How many times slower than usual a range must be. */
const SLOW_FACTOR = 4;
/** How many times slower than usual one of the last ranges must be. */
const LAST_SLOW_FACTOR = 2;
/** Number of round trips after which a new connection has reached its rate. */
const SETTLING_ROUND_TRIPS = 8;
/** How many times longer than usual a response may take. */
const PATIENCE_FACTOR = 4;
/** Time without a byte after which a range counts as stalled if the usual time is unknown. */
const STALLED_MS = 5000;

/** Limits in milliseconds, beyond which another connection fetches the rest of a range. */
interface Limits {
  /** Minimum time in which the rate is measured. */
  readonly settledMs: number;
  /** Time without a byte, if other ranges arrive. */
  readonly silentMs: number;
  /** Minimum time to save. */
  readonly savedMs: number;
}

const FAR_LIMITS: Limits = { settledMs: 400, silentMs: 1000, savedMs: 250 };
/**
 * A near server is never slow because of the line. It may have sent megabytes that have not been
 * read yet, and would send them again.
 */
const NEAR_LIMITS: Limits = { settledMs: 1500, silentMs: STALLED_MS, savedMs: 2000 };

/** How the ranges from a host usually arrive. */
export class LinePace {
  readonly #rates: number[] = [];
  readonly #waits: number[] = [];
  #lastMs = performance.now();

  /** Usual rate of a connection in bytes per millisecond, once known. */
  get rate(): number | undefined {
    return median(this.#rates);
  }

  /** Notes that bytes have arrived. */
  touch(): void {
    this.#lastMs = performance.now();
  }

  /** Includes a range that has arrived or has been given back. */
  count({ rate, waitMs }: Segment): void {
    if (rate !== undefined) addSample(this.#rates, rate);
    addSample(this.#waits, waitMs);
  }

  /**
   * Returns whether other connections would fetch the rest of a range much sooner.
   *
   * @param isLast Whether connections are free, because all bytes have been requested.
   */
  isLate(segment: Segment, latencyMs: number, isLast: boolean): boolean {
    const limits = latencyMs < FAR_LATENCY_MS ? NEAR_LIMITS : FAR_LIMITS;
    if (segment.left === 0 || segment.isHeld) return false;
    return this.#isSilent(segment, limits, isLast) ||
      this.#isSlow(segment, limits, latencyMs, isLast);
  }

  #isSilent({ lastMs }: Segment, { silentMs }: Limits, isLast: boolean): boolean {
    const usual = median(this.#waits);
    const patience = usual === undefined ? STALLED_MS : Math.max(silentMs, PATIENCE_FACTOR * usual);
    if (performance.now() - lastMs < patience) return false;
    // If nothing else arrives either, the whole line is down.
    return isLast || this.#lastMs - lastMs >= patience / 2;
  }

  #isSlow(
    { rate, left, elapsedMs }: Segment,
    { settledMs, savedMs }: Limits,
    latencyMs: number,
    isLast: boolean,
  ): boolean {
    const usual = this.rate;
    if (rate === undefined || usual === undefined) return false;
    if (elapsedMs < Math.max(settledMs, SETTLING_ROUND_TRIPS * latencyMs)) return false;
    if (rate * (isLast ? LAST_SLOW_FACTOR : SLOW_FACTOR) > usual) return false;
    // Opening another connection takes a round trip as well.
    return left / rate - (left / usual + 2 * latencyMs) >= savedMs;
  }
}

function addSample(samples: number[], sample: number): void {
  samples.push(sample);
  if (samples.length > SAMPLES) samples.shift();
}

function median(samples: readonly number[]): number | undefined {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1];
}
