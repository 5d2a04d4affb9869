/** Bytes per millisecond above which one connection to a near server is enough. */
const FAST_RATE = 30_000;
/** Time and number of bytes after which the rate of a connection is known. */
const MEASURED_MS = 200;
const MEASURED_BYTES = 256 * 1024;

/** Measures the rate of a connection while the reader waits for it. */
export class RateClock {
  #startedMs = performance.now();
  #waitedMs = 0;
  #firstMs: number | undefined;
  #bytes = 0;

  /** Begins to wait for the next bytes. */
  start(): void {
    this.#startedMs = performance.now();
  }

  /** Counts bytes that have arrived. */
  stop(bytes: number): void {
    const now = performance.now();
    // The first bytes include the time of the request.
    if (this.#firstMs === undefined) this.#firstMs = now;
    else {
      this.#waitedMs += now - this.#startedMs;
      this.#bytes += bytes;
    }
  }

  /** Restarts the measurement for a new connection. */
  reset(): void {
    this.#startedMs = performance.now();
    this.#waitedMs = 0;
    this.#firstMs = undefined;
    this.#bytes = 0;
  }

  /** Bytes per millisecond since the first byte; 0 before it. */
  get rate(): number {
    const { elapsedMs } = this;
    return elapsedMs > 0 ? this.#bytes / elapsedMs : 0;
  }

  /** Whether the connection is slow, rather than the reader. */
  get isSlow(): boolean {
    const { elapsedMs, rate } = this;
    return elapsedMs >= MEASURED_MS && this.#bytes >= MEASURED_BYTES &&
      this.#waitedMs > elapsedMs / 2 && rate < FAST_RATE;
  }

  /** Time since the first byte, in milliseconds; 0 before it. */
  get elapsedMs(): number {
    return this.#firstMs === undefined ? 0 : performance.now() - this.#firstMs;
  }
}
