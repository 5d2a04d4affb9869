import type { Gunzip } from "node:zlib";
import type { Codec, CodecOptions } from "./_codec.ts";

/**
 * Size of the output buffer: larger than the output of a zstd block. Deno's stream (2.9.6) exits
 * the process, without calling any handler, if it detects damage after it has filled a buffer.
 */
const ZSTD_OUTPUT_SIZE = 262_144;

/** Decodes with a `node:zlib` stream: slower than `SyncCodec`, but supported by every runtime. */
export class StreamCodec implements Codec<false> {
  readonly #options: CodecOptions;
  /** The stream of the current member or members. */
  #stream: Gunzip | undefined;
  #problem: Error | undefined;

  constructor(options: CodecOptions) {
    this.#options = options;
  }

  async *decode(bytes: Uint8Array): AsyncGenerator<Uint8Array, number, void> {
    const stream = this.#stream ??= this.#open();
    const before = stream.bytesWritten;
    const { once } = globalThis.process.getBuiltinModule("node:events");
    // The stream retains its input, but the caller may reuse it.
    const written = Promise.withResolvers<void>();
    let isWritten = false;
    const end = () => {
      isWritten = true;
      written.resolve();
    };
    // The callback is not called if the bytes are damaged.
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
    // The callback is called before the error event.
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

  /** Copies an output that may be transferred: the stream's buffer also contains other bytes. */
  #own(output: Uint8Array): Uint8Array {
    return this.#options.memory === undefined ? output : new Uint8Array(output);
  }

  async end(): Promise<void> {
    // There is no stream after padding, and the framing of zstd detects truncation.
    if (this.#stream === undefined || this.#options.format === "zstd") return;
    const { once } = globalThis.process.getBuiltinModule("node:events");
    const closed = once(this.#stream, "close").catch(() => {});
    this.#stream.end();
    this.#stream.resume();
    await closed;
    if (this.#problem !== undefined) throw this.#options.fail("it is truncated");
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
