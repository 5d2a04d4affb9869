/** Time after which the rate of a connection is known. */
const MEASURED_MS = 50;

/** A range that one connection fetches. */
export class Segment {
  readonly start: number;
  received = 0;
  readonly #requestedEnd: number;
  readonly #stop = new AbortController();
  readonly #requestedMs = performance.now();
  #end: number;
  #lastMs = this.#requestedMs;
  #firstMs: number | undefined;
  #isHeld = false;

  constructor(start: number, end: number) {
    this.start = start;
    this.#end = end;
    this.#requestedEnd = end;
  }

  /** End of the range; decreases when other connections fetch the rest. */
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

  /** Aborted once the bytes that are still to come are no longer wanted. */
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

  /** Time from the request to the first byte, or until now, in milliseconds. */
  get waitMs(): number {
    return (this.#firstMs ?? performance.now()) - this.#requestedMs;
  }

  /** When the last byte arrived, or else when the range was requested. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** Whether the reader processes bytes, rather than waiting for them. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Returns the part of a chunk that belongs to the segment. */
  cut(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    return chunk.length > this.left ? chunk.subarray(0, this.left) : chunk;
  }

  count(bytes: number): void {
    this.#lastMs = performance.now();
    this.#firstMs ??= this.#lastMs;
    this.received += bytes;
    // The server keeps sending the rest, which other connections fetch.
    if (this.left === 0 && this.#end < this.#requestedEnd) this.#stop.abort();
  }

  /** Waits until the reader has processed bytes. That time does not count as the connection's. */
  async hold(pending: Promise<void>): Promise<void> {
    const heldMs = performance.now();
    this.#isHeld = true;
    await pending;
    this.#isHeld = false;
    this.#lastMs = performance.now();
    if (this.#firstMs !== undefined) this.#firstMs += this.#lastMs - heldMs;
  }

  /** Ends the range earlier than requested. */
  shorten(end: number): void {
    this.#end = end;
    if (this.left === 0) this.#stop.abort();
  }

  /** Extends the segment for a server that ignores the requested end. */
  extend(end: number): void {
    this.#end = end;
  }

  stop(): void {
    this.#stop.abort();
  }
}
