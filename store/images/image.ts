import type { DecompressOptions } from "../../layer/compression/decompressor.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { BlobReadOptions, RemoteImage, RemoteLayer } from "../../spec/image.ts";
import { openBlobStream } from "../content/blob_stream.ts";
import type { ContentStore } from "../content/content_store.ts";

/** Options for {@linkcode Layer.uncompressed}. */
export interface UncompressedOptions extends Pick<DecompressOptions, "maxRatio" | "maxWindow"> {
  /**
   * The most uncompressed bytes; 0 stands for no limit.
   *
   * @default {21_474_836_480}
   */
  readonly maxBytes?: number | undefined;
  /** Stops the reading. */
  readonly signal?: AbortSignal | undefined;
  /** Is told, once each, what is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A layer in a store. */
export interface Layer extends RemoteLayer {
  /** Digest of the bytes as served. */
  readonly digest: Digest;
  /** What the bytes as served are. */
  readonly mediaType: string;
  /** How many bytes were served. */
  readonly size: number;
  /**
   * Opens the bytes as served. Read from the start, they are verified on their way: the stream
   * fails in place of closing if the file in the store is not what it was.
   */
  compressed(options?: BlobReadOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /**
   * Opens the tar archive in the layer. Both its digests are compared on the way, that of the
   * blob and the DiffID, and the stream fails in place of closing if one is another: with a
   * `DigestMismatchError` or a {@linkcode DiffIdMismatchError}. Until it has closed, nothing of
   * it is to be relied on.
   *
   * @param options Limits, and how to stop.
   */
  uncompressed(options?: UncompressedOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

/** An image in a store: its documents are the bytes as served, its layers are complete. */
export interface Image extends RemoteImage {
  /** The layers, the base first. */
  readonly layers: readonly Layer[];
}

/** A layer whose blob is in a {@linkcode ContentStore}. */
export class StoredLayer implements Layer {
  /** The blob: media type, digest and size of the bytes as served. */
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed bytes, as the image's config names it. */
  readonly diffId: Digest;
  readonly #store: ContentStore;

  /** Of a store that has the blob. */
  constructor(store: ContentStore, descriptor: Descriptor, diffId: Digest) {
    this.#store = store;
    this.descriptor = descriptor;
    this.diffId = diffId;
  }

  /** Digest of the bytes as served. */
  get digest(): Digest {
    return this.descriptor.digest;
  }

  /** What the bytes as served are. */
  get mediaType(): string {
    return this.descriptor.mediaType;
  }

  /** How many bytes were served. */
  get size(): number {
    return this.descriptor.size;
  }

  /** Opens the bytes as served; from the start, they are verified on their way. */
  async compressed(
    options: BlobReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { offset = 0, reuseMemory = false, signal } = options;
    return await this.#store.openBlob(this.digest, { offset, reuseMemory, signal });
  }

  /** Opens the tar archive in the layer; both digests are compared on the way. */
  async uncompressed(
    options: UncompressedOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { signal, ...limits } = options;
    const { descriptor, diffId, digest } = this;
    const { LayerDecoder } = await import("../../layer/compression/layer_decoder.ts");
    const path = this.#store.blobPath(digest);
    const stream = await openBlobStream(path, { signal });
    const source = `"${path}"`;
    const decoder = new LayerDecoder({ ...limits, descriptor, diffId, layer: digest, source });
    return ReadableStream.from(this.#watch(decoder.read(stream)));
  }

  /** Makes the store forget that it verified the blob if it turns out to be corrupt. */
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
 * The image that a store has after all blobs of another have been brought into it.
 *
 * @param store A store that has them.
 * @param image The same image, wherever it came from.
 * @returns The same documents, with layers that are read from the store.
 */
export function storedImage(store: ContentStore, image: RemoteImage): Image {
  const { digest, indexes, manifest, config, platform } = image;
  const layers = image.layers.map(({ descriptor, diffId }) =>
    new StoredLayer(store, descriptor, diffId)
  );
  return { digest, indexes, manifest, config, platform, layers };
}
