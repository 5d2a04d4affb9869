/** Number of entries, and of bytes, after which the time is checked. */
const ENTRIES_PER_CHECK = 500;
const BYTES_PER_CHECK = 16_777_216;
/** Time after which other tasks, such as signal handlers, get a turn. Each turn costs about 1 ms. */
const TURN_MS = 100;

/** A turn of synchronous work on many entries, between turns of other tasks. */
export class WorkTurn {
  #entries = 0;
  #bytes = 0;
  #start = performance.now();

  /** Counts an entry with a number of bytes. Returns whether the turn has lasted long enough. */
  isOver(bytes = 0): boolean {
    this.#bytes += bytes;
    if (++this.#entries < ENTRIES_PER_CHECK && this.#bytes < BYTES_PER_CHECK) return false;
    this.#entries = this.#bytes = 0;
    return performance.now() - this.#start >= TURN_MS;
  }

  /** Gives other tasks a turn, in which they may abort the signal, and begins the next one. */
  async next(signal?: AbortSignal): Promise<void> {
    await new Promise((done) => setTimeout(done, 0));
    signal?.throwIfAborted();
    this.#start = performance.now();
  }
}
