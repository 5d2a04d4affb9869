/** Number of entries, and of bytes, after which other tasks, such as signal handlers, get a turn. */
const ENTRIES_PER_TURN = 500;
const BYTES_PER_TURN = 16_777_216;

/** A turn of synchronous work on many files, between turns of other tasks. */
export class WorkTurn {
  #entries = 0;
  #bytes = 0;

  /** Counts an entry with a number of bytes. Returns whether the turn has lasted long enough. */
  isOver(bytes = 0): boolean {
    this.#bytes += bytes;
    return ++this.#entries >= ENTRIES_PER_TURN || this.#bytes >= BYTES_PER_TURN;
  }

  /** Gives other tasks a turn, in which they may abort the signal, and begins the next one. */
  async next(signal?: AbortSignal): Promise<void> {
    this.#entries = this.#bytes = 0;
    await new Promise((done) => setTimeout(done, 0));
    signal?.throwIfAborted();
  }
}
