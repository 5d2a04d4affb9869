import type { DecompressOptions } from "../../layer/compression/decompressor.ts";
import type { Digest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions, RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";

/** Options for {@linkcode Layer.uncompressed}. */
export interface UncompressedOptions extends Pick<DecompressOptions, "maxRatio" | "maxWindow"> {
  /**
   * Maximum number of uncompressed bytes; 0 means no limit.
   *
   * @default {21_474_836_480}
   */
  readonly maxBytes?: number | undefined;
  /** Aborts the stream. */
  readonly signal?: AbortSignal | undefined;
  /** Called once with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A layer in a store. */
export interface Layer extends RemoteLayer {
  /** Digest of the bytes as served. */
  readonly digest: Digest;
  /** Media type of the bytes as served. */
  readonly mediaType: string;
  /** Number of bytes as served. */
  readonly size: number;
  /**
   * Opens the bytes as served. Verifies every read of all of them, even a `raw` one, because the
   * store must notice a damaged file: the stream fails in place of the last bytes.
   */
  compressed(options?: BlobReadOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /**
   * Opens the tar archive in the layer. Verifies the digest of the blob and the DiffID as the
   * stream is read. On a mismatch, the stream fails instead of closing, with a
   * `DigestMismatchError` or a {@linkcode DiffIdMismatchError}. Do not trust the content before the
   * stream has closed.
   *
   * @param options Limits, a callback and an abort signal.
   */
  uncompressed(options?: UncompressedOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

/** A complete image in a store. Its documents are the bytes as served. */
export interface Image extends RemoteImage {
  /** The layers, the base first. */
  readonly layers: readonly Layer[];
}

/** A layer whose blob is in a {@linkcode ContentStore}. */
export class StoredLayer implements Layer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly #store: ContentStore;

  /** Creates the layer in a store that has the blob. */
  constructor(store: ContentStore, descriptor: Descriptor, diffId: Digest) {
    this.#store = store;
    this.descriptor = descriptor;
    this.diffId = diffId;
    this.digest = descriptor.digest;
    this.mediaType = descriptor.mediaType;
    this.size = descriptor.size;
  }

  async compressed(
    options: BlobReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return await this.#store.openBlob(this.descriptor, options);
  }

  async uncompressed(
    options: UncompressedOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { signal, ...limits } = options;
    const { descriptor, diffId, digest } = this;
    const { LayerDecoder } = await import("../../layer/compression/layer_decoder.ts");
    const { openBlobStream } = await import("../content/blob_stream.ts");
    const path = this.#store.blobPath(digest);
    const source = `"${path}"`;
    const decoder = new LayerDecoder({ ...limits, descriptor, diffId, layer: digest, source });
    const stream = await openBlobStream(path, { signal });
    return ReadableStream.from(this.#watch(decoder.read(stream)));
  }

  /** Passes on the chunks; makes the store rehash the blob if it turns out to be corrupt. */
  async *#watch<T>(chunks: AsyncIterable<T>): AsyncGenerator<T, void, void> {
    try {
      yield* chunks;
    } catch (error) {
      if (error instanceof DigestMismatchError) this.#store.distrust(this.digest);
      throw error;
    }
  }
}

/**
 * Returns the stored image after all blobs of an image have been downloaded into a store.
 *
 * @param store Store that has the blobs.
 * @param image The image, from any source.
 * @returns The same documents, with layers that are read from the store.
 */
export function storedImage(store: ContentStore, image: RemoteImage): Image {
  const { digest, indexes, manifest, config, platform } = image;
  const layers = image.layers.map(({ descriptor, diffId }) =>
    new StoredLayer(store, descriptor, diffId)
  );
  return { digest, indexes, manifest, config, platform, layers };
}
