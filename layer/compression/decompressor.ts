import type { Compression } from "../../spec/media_types.ts";

/** Options for {@linkcode openDecompressor} and for `DecompressStream`. */
export interface DecompressOptions {
  /**
   * The layer's media type. It is a hint: the bytes decide, and `onWarning` hears of it where
   * they differ.
   */
  readonly mediaType?: string | undefined;
  /**
   * Most decompressed bytes; 0 stands for no limit.
   *
   * @default {21_474_836_480}
   */
  readonly maxBytes?: number | undefined;
  /**
   * Most decompressed bytes for each compressed one, looked at once there are more than 64 MiB.
   *
   * @default {1000}
   */
  readonly maxRatio?: number | undefined;
  /**
   * Largest window of a zstd frame, in bytes: so much memory it takes. At most 2 GiB.
   *
   * @default {134_217_728}
   */
  readonly maxWindow?: number | undefined;
  /** Hears what is odd and does no harm, in one sentence. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Options for {@linkcode openDecompressor}. */
export interface DecompressorOptions extends DecompressOptions {
  /**
   * Gives memory to decompress into, of any size but none. What comes out of the decompressor may
   * then be transferred, to another thread say; it asks again when that has been done. Of a tar
   * archive that is not compressed, what comes out are the chunks that were pushed.
   *
   * @default One buffer of 128 KiB, used again and again.
   */
  readonly memory?: (() => Uint8Array<ArrayBuffer>) | undefined;
}

/** Takes decompressed bytes. They are valid during the call alone: the buffer is used again. */
export type DecompressSink = (bytes: Uint8Array) => void;

/**
 * Decompresses bytes that are pushed into it.
 *
 * Where the runtime allows it (Deno 2.9 does), everything happens before a call returns, and it
 * returns nothing. Elsewhere it returns a promise that must be awaited before the next call.
 */
export interface Decompressor extends Disposable {
  /** How the bytes are compressed, or `undefined` as long as there are too few to tell. */
  readonly compression: Compression | undefined;
  /** How many compressed bytes have been pushed. */
  readonly bytesIn: number;
  /** How many decompressed bytes have come out. */
  readonly bytesOut: number;
  /**
   * Decompresses a chunk. What `emit` throws is thrown on.
   *
   * @param chunk The next bytes; they may be reused when the call is done.
   * @param emit Takes the decompressed bytes, in order.
   * @throws {DecompressError} If the bytes are damaged.
   * @throws {LimitError} If there are more bytes than the limits allow.
   */
  push(chunk: Uint8Array, emit: DecompressSink): void | Promise<void>;
  /**
   * Decompresses a chunk bit by bit, as the caller asks for more: an alternative to
   * {@linkcode Decompressor.push}, with which few bytes that become many come all at once.
   *
   * @param chunk The next bytes; they may be reused when all that they give has been read.
   * @returns The decompressed bytes, in order. Each is valid until the next one is asked for.
   * @throws {DecompressError} If the bytes are damaged, while they are iterated over.
   * @throws {LimitError} If there are more bytes than the limits allow, likewise.
   */
  outputs(chunk: Uint8Array): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /**
   * Checks that nothing is missing. Call it once, after the last chunk.
   *
   * @throws {DecompressError} If the bytes are cut short.
   */
  finish(): void | Promise<void>;
}
