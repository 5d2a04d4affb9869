/** Decodes one format, member by member. */
export interface Codec<IsSync extends boolean = boolean> extends Disposable {
  /**
   * Decodes bytes: it yields what they decompress to, in views that are valid until it goes on,
   * and returns how many of them are left over because a member ended before them.
   */
  decode(bytes: Uint8Array): IsSync extends true ? Generator<Uint8Array, number, void>
    : AsyncGenerator<Uint8Array, number, void>;
  /** Fails if a member is not complete. */
  end(): IsSync extends true ? void : Promise<void>;
}

/** Knows where members of a format begin and end, and what may stand between them. */
export interface Framing {
  /**
   * Splits a chunk into what a codec has to decode: it yields bytes of one member (or, where
   * only the codec can tell, perhaps of more) and takes how many of them were left over.
   */
  split(chunk: Uint8Array): Generator<Uint8Array, void, number>;
  /** Fails if the end cannot be here. */
  end(): void;
}

/** Makes the error for bytes that cannot be decoded. */
export type Fail = (state: string, options?: ErrorOptions) => Error;

/** Formats that a {@linkcode Codec} decodes. */
export type CodecFormat = "gzip" | "zstd";

/** What every codec needs. */
export interface CodecOptions {
  readonly format: CodecFormat;
  readonly fail: Fail;
  /** Base-2 logarithm of the largest zstd window. */
  readonly windowLog: number;
  /** Gives memory to decode into; with it, what has been decoded may be given away. */
  readonly memory?: (() => Uint8Array<ArrayBuffer>) | undefined;
}
