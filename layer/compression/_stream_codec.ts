import type { Gunzip } from "node:zlib";
import type { Codec, CodecOptions } from "./_codec.ts";

/**
 * More than a block of zstd decompresses to. Deno's stream (2.9.6) ends the process, past every
 * handler, when bytes turn out to be damaged after a buffer was filled.
 */
const ZSTD_OUTPUT_SIZE = 262_144;

/**
 * Decodes with a stream of `node:zlib`: for runtimes in which `SyncCodec` does not work, slower
 * and with the same results.
 */
export class StreamCodec implements Codec<false> {
  readonly #options: CodecOptions;
  /** The stream of the current member, or members; the next one begins after an end. */
  #stream: Gunzip | undefined;
  #problem: Error | undefined;

  /** Starts in front of the first member. */
  constructor(options: CodecOptions) {
    this.#options = options;
  }

  async *decode(bytes: Uint8Array): AsyncGenerator<Uint8Array, number, void> {
    const stream = this.#stream ??= this.#open();
    const before = stream.bytesWritten;
    const { once } = globalThis.process.getBuiltinModule("node:events");
    // The stream keeps what it is given, and the caller may reuse it.
    const written = Promise.withResolvers<void>();
    let isWritten = false;
    const end = () => {
      isWritten = true;
      written.resolve();
    };
    // Where the bytes are damaged, the callback is not called.
    stream.once("error", end);
    stream.write(bytes.slice(), end);
    while (!isWritten) {
      const waiting = new AbortController();
      const readable = once(stream, "readable", { signal: waiting.signal }).catch(() => {});
      await Promise.race([written.promise, readable]);
      waiting.abort();
      for (let output; (output = stream.read()) !== null;) yield this.#own(output);
    }
    stream.off("error", end);
    // The callback comes before the error that explains it.
    await globalThis.process.getBuiltinModule("node:timers/promises").setImmediate();
    for (let output; (output = stream.read()) !== null;) yield this.#own(output);
    if (this.#problem !== undefined) {
      const { message } = this.#problem;
      throw this.#options.fail(`it is damaged (${message})`, { cause: this.#problem });
    }
    const left = bytes.length - (stream.bytesWritten - before);
    if (left > 0) this[Symbol.dispose]();
    return left;
  }

  /** The bytes, in memory of their own if they may be given away: the stream's is of more. */
  #own(output: Uint8Array): Uint8Array {
    return this.#options.memory === undefined ? output : new Uint8Array(output);
  }

  async end(): Promise<void> {
    // After a padded end the stream is gone; zstd's framing has looked at the end itself.
    if (this.#stream === undefined || this.#options.format === "zstd") return;
    const { once } = globalThis.process.getBuiltinModule("node:events");
    const closed = once(this.#stream, "close").catch(() => {});
    this.#stream.end();
    this.#stream.resume();
    await closed;
    if (this.#problem !== undefined) throw this.#options.fail("it is cut short");
  }

  [Symbol.dispose](): void {
    this.#stream?.destroy();
    this.#stream = undefined;
  }

  #open(): Gunzip {
    const { format, windowLog } = this.#options;
    const { constants, createGunzip, createZstdDecompress } = globalThis.process
      .getBuiltinModule("node:zlib");
    const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
    const stream = format === "gzip"
      ? createGunzip()
      : createZstdDecompress({ params, chunkSize: ZSTD_OUTPUT_SIZE });
    stream.on("error", (error) => this.#problem ??= error);
    return stream as Gunzip;
  }
}
