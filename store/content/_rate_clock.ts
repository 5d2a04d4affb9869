/** Bytes per millisecond above which one connection to a near server is enough. */
const FAST_RATE = 30_000;
/** Time and bytes after which the rate of a connection is known. */
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

  /** Whether the connection is slow, rather than the reader. */
  get isSlow(): boolean {
    if (this.#firstMs === undefined) return false;
    const elapsedMs = performance.now() - this.#firstMs;
    return elapsedMs >= MEASURED_MS && this.#bytes >= MEASURED_BYTES &&
      this.#waitedMs > elapsedMs / 2 && this.#bytes / elapsedMs < FAST_RATE;
  }
}
