import type { Descriptor } from "../../spec/descriptor.ts";
import { type Digest, digestAlgorithm, Digester } from "../../spec/digest.ts";
import { DiffIdMismatchError, LimitError } from "../../spec/errors.ts";
import { Verifier } from "../../spec/verifier.ts";
import { DecompressError } from "../compression/decompress_error.ts";
import {
  type DecompressOptions,
  type Decompressor,
  openDecompressor,
} from "../compression/decompressor.ts";
import { describePlace, ExtractError, type ExtractPlace } from "../errors.ts";
import { TarError } from "../tar/tar_error.ts";
import type { TarHeader, TarSink } from "../tar/tar_header.ts";
import type { TarLimits } from "../tar/tar_limits.ts";
import { TarParser } from "../tar/tar_parser.ts";

/** What is known of a layer's bytes and of how many there may be. */
export interface LayerPipelineOptions extends TarLimits, DecompressOptions {
  /** Names the layer in errors. */
  readonly layer?: string | undefined;
  /** Names where the bytes come from in errors; the layer if absent. */
  readonly source?: string | undefined;
  /** What the bytes that are pushed must be. */
  readonly descriptor?: Descriptor | undefined;
  /** What the decompressed bytes must be. */
  readonly diffId?: Digest | undefined;
}

/**
 * A layer's way from the bytes of its blob to a sink for its entries: in one pass they are
 * verified, decompressed, verified again and parsed.
 */
export class LayerPipeline implements Disposable {
  readonly #options: LayerPipelineOptions;
  readonly #verifier: Verifier | undefined;
  readonly #decompressor: Decompressor;
  readonly #digester: Digester | undefined;
  readonly #parser: TarParser;
  #place: ExtractPlace;
  #isVerified = false;

  constructor(sink: TarSink, options: LayerPipelineOptions) {
    const { descriptor, diffId, layer, source = layer } = options;
    this.#options = options;
    this.#verifier = descriptor === undefined ? undefined : new Verifier(descriptor, source);
    this.#decompressor = openDecompressor({ mediaType: descriptor?.mediaType, ...options });
    this.#digester = diffId === undefined ? undefined : new Digester(digestAlgorithm(diffId));
    this.#place = { layer, path: "", offset: 0 };
    this.#parser = new TarParser(this.#watch(sink), options);
  }

  /** How many bytes the archive has had so far. */
  get bytesOut(): number {
    return this.#decompressor.bytesOut;
  }

  /** Takes the next bytes of the blob. A promise must be awaited before the next call. */
  push(chunk: Uint8Array): void | Promise<void> {
    this.#verifier?.update(chunk);
    return this.#decompressor.push(chunk, this.#emit);
  }

  /** Checks all digests, after the last chunk. */
  async finish(): Promise<void> {
    await this.#decompressor.finish();
    this.#verify();
    const { diffId, descriptor, layer } = this.#options;
    const actual = this.#digester?.digest();
    if (diffId !== undefined && actual !== undefined && actual !== diffId) {
      // An image that names other bytes may also hold none that parse: this says more.
      throw new DiffIdMismatchError(
        diffId,
        actual,
        descriptor?.digest ?? layer as Digest ?? diffId,
      );
    }
    this.#parser.finish();
  }

  /**
   * What to say of a failure. Bytes that do not decompress or parse may be others than were
   * promised: the rest of them is read to find that out.
   */
  async explain(error: unknown, rest: AsyncIterable<Uint8Array>): Promise<unknown> {
    const isDamage = error instanceof DecompressError || error instanceof TarError;
    if (isDamage && this.#verifier !== undefined && !this.#isVerified) {
      try {
        for await (const chunk of rest) this.#verifier.update(chunk);
        this.#verify();
      } catch (mismatch) {
        return mismatch;
      }
    }
    if (error instanceof TarError) {
      const { entry: path = "", offset } = error;
      return new ExtractError({ ...this.#place, path, offset }, error.message, { cause: error });
    }
    if (error instanceof DecompressError) {
      return new ExtractError(this.#place, error.message, { cause: error });
    }
    if (error instanceof LimitError) error.message += ` (met in ${describePlace(this.#place)})`;
    return error;
  }

  #verify(): void {
    this.#verifier?.finish();
    this.#isVerified = true;
  }

  [Symbol.dispose](): void {
    this.#decompressor[Symbol.dispose]();
  }

  readonly #emit = (bytes: Uint8Array): void => {
    this.#digester?.update(bytes);
    this.#parser.push(bytes);
  };

  /** Remembers which entry is being read, for errors of the parser and the decompressor. */
  #watch(sink: TarSink): TarSink {
    return {
      entry: (header: TarHeader) => {
        this.#place = { ...this.#place, path: header.path, offset: header.offset };
        sink.entry(header);
      },
      data: (chunk, offset) => sink.data(chunk, offset),
      end: () => sink.end(),
    };
  }
}
