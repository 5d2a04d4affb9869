import { NetworkError } from "../errors.ts";
import { TRICKLE_BYTES } from "./_watchdog.ts";

/**
 * Progress that an attempt must make before it stalls, in bytes or in milliseconds from its start to
 * the last byte. If every attempt stalled after a few kilobytes, the transfer would not end.
 */
const STEADY_BYTES = 1024 * 1024;
const STEADY_MS = 30_000;

/** The progress of an attempt to transfer a blob. */
export class AttemptProgress {
  #startMs = 0;
  #lastMs = 0;

  /** Begins an attempt. */
  begin(): void {
    this.#startMs = this.#lastMs = performance.now();
  }

  /** Records that bytes were transferred. */
  moved(): void {
    this.#lastMs = performance.now();
  }

  /**
   * Whether a failed attempt has made progress, so that the next failure counts as the first.
   *
   * @param gained Number of bytes that the attempt transferred.
   */
  isEnough(error: unknown, gained: number): boolean {
    if (gained < TRICKLE_BYTES) return false;
    const isStall = error instanceof NetworkError && error.reason === "stalled";
    return !isStall || gained >= STEADY_BYTES || this.#lastMs - this.#startMs >= STEADY_MS;
  }
}
