/** Time without a byte after which a range counts as stalled. */
const STALLED_MS = 5000;
/** Minimum number of bytes to take over from another connection. */
const MIN_STOLEN_BYTES = 512 * 1024;
/** Minimum time that another connection must save. */
const MIN_SAVING_MS = 2000;
/**
 * How many times slower than usual a connection must be. The server may already have sent bytes that
 * another connection fetches again, so taking over from every connection costs too much.
 */
const SLOW_FACTOR = 4;
/** Time after which the rate of a connection is known. */
const MEASURED_MS = 50;
/** Time after which a slow connection is expected to stay slow. */
const SETTLED_MS = 1500;

/** A range that one connection fetches. */
export class Segment {
  readonly start: number;
  /** Number of bytes received. */
  received = 0;
  readonly #requestedEnd: number;
  readonly #stop = new AbortController();
  /** Whether the segment was taken over from a stalled connection. */
  readonly #isRescue: boolean;
  #end: number;
  #lastMs = performance.now();
  #firstMs: number | undefined;

  constructor(start: number, end: number, isRescue = false) {
    this.start = start;
    this.#end = end;
    this.#requestedEnd = end;
    this.#isRescue = isRescue;
  }

  /** End of the range; decreases when another connection takes over the rest. */
  get end(): number {
    return this.#end;
  }

  /** Position of the next byte. */
  get position(): number {
    return this.start + this.received;
  }

  /** Number of missing bytes. */
  get left(): number {
    return this.#end - this.position;
  }

  /** Aborted once another connection has taken over the rest. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Bytes per millisecond since the first byte, once known. */
  get rate(): number | undefined {
    const { elapsedMs } = this;
    return elapsedMs < MEASURED_MS ? undefined : this.received / elapsedMs;
  }

  /** Time since the first byte, in milliseconds; negative before it. */
  get elapsedMs(): number {
    return performance.now() - (this.#firstMs ?? Infinity);
  }

  /** Returns the part of a chunk that belongs to the segment. */
  cut(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    return chunk.length > this.left ? chunk.subarray(0, this.left) : chunk;
  }

  /** Counts received bytes. */
  count(bytes: number): void {
    this.#lastMs = performance.now();
    this.#firstMs ??= this.#lastMs;
    this.received += bytes;
    // The server keeps sending the rest, which another connection has taken over.
    if (this.left === 0 && this.#end < this.#requestedEnd) this.#stop.abort();
  }

  /**
   * Returns the number of bytes that another connection would fetch sooner.
   *
   * @param usualRate Usual rate of a connection in bytes per millisecond, once known.
   */
  stealable(latencyMs: number, usualRate: number | undefined): number {
    const { left, rate, elapsedMs } = this;
    if (left < MIN_STOLEN_BYTES) return 0;
    if (performance.now() - this.#lastMs > STALLED_MS) return this.#isRescue ? 0 : left;
    if (rate === undefined || usualRate === undefined || elapsedMs < SETTLED_MS) return 0;
    if (rate * SLOW_FACTOR > usualRate) return 0;
    // Have both connections end at the same time. The new one starts a round trip later.
    const share = usualRate / (rate + usualRate);
    const stolen = Math.floor((left - rate * latencyMs) * share);
    return stolen / rate < MIN_SAVING_MS ? 0 : stolen;
  }

  /** Splits off a number of bytes at the end. */
  split(bytes: number): Segment {
    const end = this.#end;
    this.#end -= bytes;
    const isRescue = this.left === 0;
    if (isRescue) this.#stop.abort();
    return new Segment(this.#end, end, isRescue);
  }

  /** Extends the segment for a server that ignores the requested end. */
  extend(end: number): void {
    this.#end = end;
  }

  /** Stops reading. */
  stop(): void {
    this.#stop.abort();
  }
}
