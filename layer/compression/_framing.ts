import type { Fail } from "./_codec.ts";

/** Finds the members of a format, and validates the bytes between them. */
export interface Framing {
  /**
   * Splits a chunk into input for a codec. Yields bytes of one member, or of several if only the
   * codec can tell them apart, and receives the number of bytes that the codec left over.
   */
  split(chunk: Uint8Array): Generator<Uint8Array, void, number>;
  /** Throws if the input may not end here. */
  end(): void;
}

/**
 * The framing of gzip: consecutive members (RFC 1952, section 2.2), each followed by any number of
 * zero bytes, with which some programs pad the file. The codec finds the ends of members.
 */
export class GzipFraming implements Framing {
  readonly #fail: Fail;
  #padding = false;

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  *split(chunk: Uint8Array): Generator<Uint8Array, void, number> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#padding) {
        while (chunk[at] === 0) at++;
        if (at === chunk.length) return;
        if (chunk[at] !== 0x1f) throw this.#fail("data other than gzip follows a member");
        this.#padding = false;
      }
      const left = yield chunk.subarray(at);
      at = chunk.length - left;
      if (left > 0 && chunk[at] !== 0) {
        throw this.#fail("data other than gzip follows a member");
      }
      this.#padding = left > 0;
    }
  }

  end(): void {
    // The codec detects a truncated member.
  }
}
