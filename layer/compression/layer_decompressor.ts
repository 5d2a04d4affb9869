import { checkLimits } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { type Compression, layerMediaType } from "../../spec/image/media_types.ts";
import { Codec, type CodecOptions } from "./_codec.ts";
import { type Framing, GzipFraming } from "./_framing.ts";
import { ZstdFraming } from "./_zstd_framing.ts";
import { detectCompression, DETECTION_SIZE, unsupportedFormat } from "./compression.ts";
import { DecompressError } from "./decompress_error.ts";
import {
  type Decompressor,
  type DecompressorOptions,
  type DecompressSink,
  MAX_COMPRESSION_RATIO,
  MAX_DECOMPRESSED_BYTES,
  RATIO_FROM_BYTES,
} from "./decompressor.ts";
import type { SeekPointRecorder } from "./seek_points.ts";

/** Largest window that zstd's decoder supports: 2 GiB. */
const MAX_WINDOW_LOG = 31;

/** Options for {@linkcode LayerDecompressor}. */
export interface LayerDecompressorOptions extends DecompressorOptions {
  /**
   * Recorder of positions at which decompression of gzip data can start later. It records nothing
   * for other formats.
   */
  readonly seekPoints?: SeekPointRecorder | undefined;
}

/**
 * Creates a decompressor for a layer: gzip with any number of members, including eStargz; zstd with
 * any number of frames, including zstd:chunked; or an uncompressed tar archive. The format is
 * detected from the first bytes.
 *
 * `DecompressStream` does the same for Web streams.
 *
 * @param options Limits and the media type of the layer.
 * @returns The decompressor.
 * @throws {RangeError} If a limit is not a number >= 0.
 *
 * @example Compute the DiffID of a layer while it arrives
 * ```ts
 * import { openDecompressor } from "@x/oci/layer";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { Digester } from "@x/oci/spec";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const { layers: [layer] } = await client.image(parseReference("alpine:3.20"));
 * assert(layer !== undefined);
 *
 * using decompressor = openDecompressor();
 * const digester = new Digester();
 * const update = (bytes: Uint8Array) => digester.update(bytes);
 * for await (const chunk of await layer.compressed()) decompressor.push(chunk, update);
 * decompressor.finish();
 *
 * assertEquals(digester.digest(), layer.diffId);
 * ```
 */
export function openDecompressor(options: DecompressorOptions = {}): Decompressor {
  return new LayerDecompressor(options);
}

/** Implements `openDecompressor()`. */
export class LayerDecompressor implements Decompressor {
  readonly #options: LayerDecompressorOptions;
  readonly #maxBytes: number;
  readonly #maxRatio: number;
  readonly #maxWindow: number;
  #compression: Compression | undefined;
  /** First bytes, until there are enough to detect the format. */
  #head: Uint8Array = new Uint8Array();
  #framing: Framing | undefined;
  #codec: Codec | undefined;
  /** Offset of the current chunk. */
  #offset = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(options: LayerDecompressorOptions) {
    const { maxBytes = MAX_DECOMPRESSED_BYTES, maxRatio = MAX_COMPRESSION_RATIO } = options;
    const { maxWindow = 134_217_728 } = options;
    checkLimits("decompress", { maxBytes, maxRatio, maxWindow });
    this.#options = options;
    this.#maxBytes = maxBytes === 0 ? Infinity : maxBytes;
    this.#maxRatio = maxRatio;
    this.#maxWindow = Math.min(maxWindow, 2 ** MAX_WINDOW_LOG);
  }

  get compression(): Compression | undefined {
    return this.#compression;
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  push(chunk: Uint8Array, emit: DecompressSink): void {
    for (const bytes of this.outputs(chunk)) emit(bytes);
  }

  outputs(chunk: Uint8Array): Iterable<Uint8Array> {
    this.#offset = this.#bytesIn;
    this.#bytesIn += chunk.length;
    const bytes = this.#compression === undefined ? this.#detect(chunk) : chunk;
    if (this.#framing === undefined) return bytes.length === 0 ? [] : [this.#count(bytes)];
    return this.#decode(bytes);
  }

  finish(): void {
    this.#offset = this.#bytesIn;
    if (this.#head.length > 0) throw this.#unknownFormat(this.#head);
    if (this.#compression === undefined) {
      // Zero bytes are a valid tar archive without entries, but not a valid compressed one.
      this.#compression = this.#hint() ?? "none";
      if (this.#compression !== "none") throw this.#fail("it is truncated");
      return;
    }
    this.#framing?.end();
    this.#codec?.end();
  }

  [Symbol.dispose](): void {
    this.#codec?.[Symbol.dispose]();
  }

  /** Collects bytes until there are enough to detect the format, and then returns them. */
  #detect(chunk: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.#head.length + chunk.length);
    bytes.set(this.#head);
    bytes.set(chunk, this.#head.length);
    this.#compression = detectCompression(bytes);
    if (this.#compression === undefined) {
      if (bytes.length >= DETECTION_SIZE) throw this.#unknownFormat(bytes);
      this.#head = bytes;
      return new Uint8Array();
    }
    this.#head = new Uint8Array();
    this.#open(this.#compression);
    return bytes;
  }

  #open(compression: Compression): void {
    const hint = this.#hint();
    if (hint !== undefined && hint !== compression) {
      this.#options.onWarning?.(
        `The layer's media type is "${this.#options.mediaType}" but its compression is ` +
          `"${compression}"; the media type is ignored`,
      );
    }
    if (compression !== "none") this.#openCodec(compression);
  }

  #openCodec(format: CodecOptions["format"]): void {
    const fail = this.#fail.bind(this);
    const windowLog = Math.min(Math.max(Math.ceil(Math.log2(this.#maxWindow)), 10), MAX_WINDOW_LOG);
    const { memory, seekPoints } = this.#options;
    this.#framing = format === "gzip"
      ? new GzipFraming(fail)
      : new ZstdFraming(fail, this.#maxWindow);
    this.#codec = new Codec({ format, fail, windowLog, memory, seekPoints });
  }

  #hint(): Compression | undefined {
    const { mediaType } = this.#options;
    return mediaType === undefined ? undefined : layerMediaType(mediaType)?.compression;
  }

  *#decode(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    if (this.#framing === undefined || this.#codec === undefined) return;
    const pieces = this.#framing.split(chunk);
    let piece = pieces.next();
    while (!piece.done) {
      const at = this.#bytesIn - chunk.length + piece.value.byteOffset - chunk.byteOffset;
      const outputs = this.#codec.decode(piece.value, at);
      let output = outputs.next();
      for (; !output.done; output = outputs.next()) yield this.#count(output.value);
      piece = pieces.next(output.value);
    }
  }

  #count(bytes: Uint8Array): Uint8Array {
    this.#bytesOut += bytes.length;
    if (this.#bytesOut > this.#maxBytes) {
      const subject = "the decompressed layer";
      throw new LimitError("bytes", this.#maxBytes, this.#bytesOut, subject, "maxBytes");
    }
    if (this.#bytesOut > RATIO_FROM_BYTES && this.#bytesOut > this.#maxRatio * this.#bytesIn) {
      const ratio = Math.floor(this.#bytesOut / this.#bytesIn) + 1;
      const limit = "decompressed bytes per compressed byte";
      throw new LimitError(limit, this.#maxRatio, ratio, "the layer", "maxRatio");
    }
    return bytes;
  }

  #fail(state: string): DecompressError {
    return new DecompressError(this.#compression, this.#offset, state);
  }

  #unknownFormat(bytes: Uint8Array): DecompressError {
    const unsupported = unsupportedFormat(bytes);
    const isShort = unsupported === undefined && bytes.length < DETECTION_SIZE;
    const what = unsupported ?? `unknown bytes that begin with ${bytes.subarray(0, 8).toHex()}`;
    const state = isShort
      ? "it is truncated, or not gzip, zstd or tar"
      : `it is not gzip, zstd or tar but ${what}`;
    return new DecompressError(undefined, 0, state);
  }
}
