import type { SeekPointRecorder } from "./seek_points.ts";

/** Decodes one compression format, member by member. */
export interface Codec<IsSync extends boolean = boolean> extends Disposable {
  /**
   * Decodes bytes. Yields views of the output, each valid until the next one, and returns the
   * number of input bytes that follow the end of the member.
   *
   * @param offset Offset of the bytes in the blob, for seek points.
   */
  decode(
    bytes: Uint8Array,
    offset: number,
  ): IsSync extends true ? Generator<Uint8Array, number, void>
    : AsyncGenerator<Uint8Array, number, void>;
  /** Throws if a member is incomplete. */
  end(): IsSync extends true ? void : Promise<void>;
}

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

/** Creates the error for bytes that cannot be decoded. */
export type Fail = (state: string, options?: ErrorOptions) => Error;

/** Formats that a {@linkcode Codec} decodes. */
export type CodecFormat = "gzip" | "zstd";

/** Options for a {@linkcode Codec}. */
export interface CodecOptions {
  readonly format: CodecFormat;
  readonly fail: Fail;
  /** Base-2 logarithm of the largest zstd window. */
  readonly windowLog: number;
  /**
   * Recorder of positions at which gzip decoding can start; ignored by codecs that cannot find
   * them.
   */
  readonly seekPoints?: SeekPointRecorder | undefined;
  /** Allocates output buffers. If set, outputs may be transferred. */
  readonly memory?: (() => Uint8Array<ArrayBuffer>) | undefined;
}
