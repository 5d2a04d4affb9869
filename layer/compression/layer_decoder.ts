import { type Digest, Digester } from "../../spec/digest.ts";
import { DiffIdMismatchError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { checkLayerType } from "../../spec/image/layer_type.ts";
import { digestAlgorithm, Verifier } from "../../spec/verifier.ts";
import { DecompressError } from "./decompress_error.ts";
import type { Decompressor } from "./decompressor.ts";
import { LayerDecompressor, type LayerDecompressorOptions } from "./layer_decompressor.ts";

/** Options for {@linkcode LayerDecoder}. */
export interface LayerDecoderOptions extends LayerDecompressorOptions {
  /** Name of the layer in errors. */
  readonly layer?: string | undefined;
  /** Origin of the bytes in errors; by default, the layer. */
  readonly source?: string | undefined;
  /** Expected digest and size of the blob. */
  readonly descriptor?: Descriptor | undefined;
  /** Whether the source verifies the blob, and fails instead of delivering its last bytes. */
  readonly isVerifying?: boolean | undefined;
  /** Expected digest of the archive. */
  readonly diffId?: Digest | undefined;
}

/** Verifies the blob of a layer, decompresses it, and verifies the archive, in one pass. */
export class LayerDecoder implements Disposable {
  readonly #options: LayerDecoderOptions;
  readonly #verifier: Verifier | undefined;
  readonly #decompressor: Decompressor;
  readonly #digester: Digester | undefined;
  #isVerified = false;

  constructor(options: LayerDecoderOptions) {
    const { descriptor, diffId, layer, source = layer, isVerifying = false } = options;
    if (descriptor !== undefined) checkLayerType(descriptor);
    this.#options = options;
    this.#verifier = descriptor && !isVerifying ? new Verifier(descriptor, source) : undefined;
    this.#decompressor = new LayerDecompressor({
      ...options,
      mediaType: options.mediaType ?? descriptor?.mediaType,
    });
    this.#digester = diffId && new Digester(digestAlgorithm(diffId));
  }

  /** Number of bytes of the archive so far. */
  get bytesOut(): number {
    return this.#decompressor.bytesOut;
  }

  /** Decodes a chunk of the blob step by step. Each output is valid until the next one. */
  *outputs(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    this.#verifier?.update(chunk);
    for (const bytes of this.#decompressor.outputs(chunk)) {
      this.#hash(bytes);
      yield bytes;
    }
  }

  /** Decodes a whole stream into chunks that belong to the reader. */
  async *read(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    using decoder = this;
    const chunks = stream.values({ preventCancel: true });
    try {
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
        for (const bytes of decoder.outputs(next.value)) {
          // Decompressed bytes are in a buffer that the decompressor reuses.
          const isOwn = this.#decompressor.compression === "none";
          yield isOwn ? bytes as Uint8Array<ArrayBuffer> : bytes.slice();
        }
      }
      decoder.finish();
    } catch (error) {
      const isDamaged = error instanceof DecompressError;
      throw (isDamaged ? await this.verifyRest(chunks) : undefined) ?? error;
    } finally {
      await chunks.return?.();
      await stream.cancel().catch(() => {
        // The stream itself has failed, and its error has been thrown.
      });
    }
  }

  /** Compares the digests. Call it once, after the last chunk. */
  finish(): void {
    this.#decompressor.finish();
    this.#verify();
    const { diffId, descriptor, layer } = this.#options;
    if (this.#isArchive) return;
    const actual = this.#digester?.digest();
    if (diffId === undefined || actual === undefined || actual === diffId) return;
    throw new DiffIdMismatchError(diffId, actual, descriptor?.digest ?? layer ?? diffId);
  }

  /**
   * Reads the rest of a blob that turned out to be damaged.
   *
   * @returns The error if the blob does not match its descriptor, which explains the damage;
   * otherwise `undefined`.
   */
  async verifyRest(rest: AsyncIterable<Uint8Array>): Promise<unknown> {
    if (this.#options.descriptor === undefined || this.#isVerified) return undefined;
    try {
      for await (const chunk of rest) this.#verifier?.update(chunk);
      this.#verify();
      return undefined;
    } catch (mismatch) {
      return mismatch;
    }
  }

  [Symbol.dispose](): void {
    this.#decompressor[Symbol.dispose]();
  }

  /** Whether the blob is the archive, and both have the same digest, so that one hash suffices. */
  get #isArchive(): boolean {
    const { descriptor, diffId } = this.#options;
    return this.#decompressor.compression === "none" && descriptor?.digest === diffId;
  }

  #hash(archive: Uint8Array): void {
    if (!this.#isArchive) this.#digester?.update(archive);
  }

  #verify(): void {
    this.#verifier?.finish();
    this.#isVerified = true;
  }
}
