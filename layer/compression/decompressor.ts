import type { Compression } from "../../spec/image/media_types.ts";

/** Default maximum number of decompressed bytes, of a layer or of an image: 20 GiB. */
export const MAX_DECOMPRESSED_BYTES = 21_474_836_480;

/** Default maximum number of decompressed bytes per compressed byte. */
export const MAX_COMPRESSION_RATIO = 1000;

/** Output size above which the ratio is checked. Small layers of zeros are harmless and common. */
export const RATIO_FROM_BYTES = 67_108_864;

/** Options for {@linkcode openDecompressor} and for `DecompressStream`. */
export interface DecompressOptions {
  /**
   * Media type of the layer. It is a hint: the format is detected from the bytes, and `onWarning`
   * is called if they differ.
   */
  readonly mediaType?: string | undefined;
  /**
   * Maximum number of decompressed bytes; 0 means no limit.
   *
   * @default {21_474_836_480}
   */
  readonly maxBytes?: number | undefined;
  /**
   * Maximum number of decompressed bytes per compressed byte, for outputs of more than 64 MiB.
   *
   * @default {1000}
   */
  readonly maxRatio?: number | undefined;
  /**
   * Maximum window size of a zstd frame, in bytes; at most 2 GiB. The window is held in memory.
   *
   * @default {134_217_728}
   */
  readonly maxWindow?: number | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Options for {@linkcode openDecompressor}. */
export interface DecompressorOptions extends DecompressOptions {
  /**
   * Allocates memory to decompress into, of any size above 0. Outputs may then be transferred, for
   * example to another thread; the decompressor allocates again once that has happened. The outputs
   * of an uncompressed archive are the chunks that were pushed.
   *
   * By default, one buffer of 128 KiB is reused.
   */
  readonly memory?: (() => Uint8Array<ArrayBuffer>) | undefined;
}

/** Called with decompressed bytes, which are only valid during the call. */
export type DecompressSink = (bytes: Uint8Array) => void;

/** Decompresses bytes that are pushed into it. */
export interface Decompressor extends Disposable {
  /** Compression of the bytes, or `undefined` until it is detected. */
  readonly compression: Compression | undefined;
  /** Number of compressed bytes so far. */
  readonly bytesIn: number;
  /** Number of decompressed bytes so far. */
  readonly bytesOut: number;
  /**
   * Decompresses a chunk. Rethrows errors of `emit`.
   *
   * @param chunk The next bytes; the caller may reuse them after the call.
   * @param emit Called with the decompressed bytes, in order.
   * @throws {DecompressError} If the bytes are damaged.
   * @throws {LimitError} If the output exceeds a limit.
   */
  push(chunk: Uint8Array, emit: DecompressSink): void;
  /**
   * Decompresses a chunk step by step: an alternative to {@linkcode Decompressor.push}, which emits
   * the whole output of a chunk at once.
   *
   * @param chunk The next bytes; the caller may reuse them after the iteration.
   * @returns The decompressed bytes, in order. Each view is valid until the next one is read.
   * @throws {DecompressError} If the bytes are damaged, during the iteration.
   * @throws {LimitError} If the output exceeds a limit, during the iteration.
   */
  outputs(chunk: Uint8Array): Iterable<Uint8Array>;
  /**
   * Checks that the input is complete. Call it once, after the last chunk.
   *
   * @throws {DecompressError} If the input is truncated.
   */
  finish(): void;
}
