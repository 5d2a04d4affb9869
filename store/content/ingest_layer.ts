import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import type { BlobFollower, Ingestion, IngestProgress } from "../downloads/ingest_options.ts";
import type { ContentStore } from "./content_store.ts";

/** Progress callbacks for fetching and reading layers. */
export interface LayerListener {
  /** Called with the progress of a layer's download. */
  readonly onProgress?: ((layer: Descriptor, progress: IngestProgress) => void) | undefined;
  /** Called when a layer is in the store. */
  readonly onLayer?: ((layer: Descriptor, ingestion: Ingestion) => void) | undefined;
  /**
   * Called while a layer that the store already has is extracted. A layer may be read more than once.
   *
   * @param bytes Number of bytes of its blob that have been read; all of them once they have been
   * verified.
   */
  readonly onRead?: ((layer: Descriptor, bytes: number) => void) | undefined;
}

export interface IngestLayerOptions extends LayerListener {
  /** Follower that receives the bytes of a layer that is not in the store. */
  readonly follower?: BlobFollower | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Downloads a layer into the store unless it is already there. */
export async function ingestLayer(
  store: ContentStore,
  layer: RemoteLayer,
  options: IngestLayerOptions,
): Promise<Ingestion> {
  const { descriptor, source, connections, latencyMs, acceptsRanges } = layer;
  const { follower, signal, onProgress, onLayer } = options;
  const ingestion = await store.ingest(descriptor, (options) => layer.compressed(options), {
    follower,
    signal,
    source,
    connections,
    latencyMs,
    acceptsRanges,
    onProgress: onProgress && ((progress) => onProgress(descriptor, progress)),
  });
  onLayer?.(descriptor, ingestion);
  return ingestion;
}
