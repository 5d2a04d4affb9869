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

/** A layer in a store. A stream of its bytes holds a file open until it is read or canceled. */
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

/** Returns a layer whose blob is in a store. */
export function storedLayer(store: ContentStore, descriptor: Descriptor, diffId: Digest): Layer {
  const { digest, mediaType, size } = descriptor;
  return {
    descriptor,
    diffId,
    digest,
    mediaType,
    size,
    compressed: (options) => store.openBlob(descriptor, options),
    uncompressed: async ({ signal, ...limits } = {}) => {
      const { LayerDecoder } = await import("../../layer/compression/layer_decoder.ts");
      const { openBlobStream } = await import("../blobs/blob_stream.ts");
      const path = store.blobPath(digest);
      const source = `"${path}"`;
      const decoder = new LayerDecoder({ ...limits, descriptor, diffId, layer: digest, source });
      const blob = await openBlobStream(path, { signal });
      return streamOf(watched(decoder.read(blob), () => store.distrust(digest)), blob);
    },
  };
}

/** Passes on the chunks of a blob, and reports if the blob turns out to be corrupt. */
async function* watched<T>(
  chunks: AsyncIterable<T>,
  onCorrupt: () => void,
): AsyncGenerator<T, void, void> {
  try {
    yield* chunks;
  } catch (error) {
    if (error instanceof DigestMismatchError) onCorrupt();
    throw error;
  }
}

/**
 * Returns chunks as a stream. Canceling it cancels `source` as well, because a generator that has
 * not begun to read releases nothing.
 */
function streamOf(
  chunks: AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>,
  source: ReadableStream,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      await chunks.return();
      await source.cancel(reason);
    },
  }, { highWaterMark: 0 });
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
  const layers = image.layers.map(({ descriptor, diffId }) => {
    return storedLayer(store, descriptor, diffId);
  });
  return { digest, indexes, manifest, config, platform, layers };
}
