import type { Fail, Framing } from "./_codec.ts";

/**
 * The framing of gzip: members one after another (RFC 1952, section 2.2), and any number of
 * zero bytes after each, which tape-minded programs pad with. The codec finds the ends itself.
 */
export class GzipFraming implements Framing {
  readonly #fail: Fail;
  #padding = false;

  /** Starts in front of the first member. */
  constructor(fail: Fail) {
    this.#fail = fail;
  }

  *split(chunk: Uint8Array): Generator<Uint8Array, void, number> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#padding) {
        while (chunk[at] === 0) at++;
        if (at === chunk.length) return;
        if (chunk[at] !== 0x1f) throw this.#fail("something that is not gzip follows its end");
        this.#padding = false;
      }
      const left = yield chunk.subarray(at);
      at = chunk.length - left;
      if (left > 0 && chunk[at] !== 0) {
        throw this.#fail("something that is not gzip follows its end");
      }
      this.#padding = left > 0;
    }
  }

  end(): void {
    // The codec knows.
  }
}
