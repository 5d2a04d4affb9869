import { DigestMismatchError } from "../../spec/errors.ts";
import type { StageWorkers } from "../stages/stage_workers.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { LayerListener } from "../content/layer_listener.ts";
import type { LayerExtraction } from "../stages/layer_extraction.ts";

/**
 * Extracts layers in threads: from the store or, of one that is not there yet, while its bytes
 * come into it.
 */
export function threadedExtraction(
  store: ContentStore,
  workers: StageWorkers,
  { onProgress, onLayer }: LayerListener = {},
): LayerExtraction {
  return async (layer, root, { signal, onWarning, ...options }) => {
    signal?.throwIfAborted();
    const { descriptor, diffId, source } = layer;
    await using stage = workers.openOverlay(
      { root, descriptor, diffId, options },
      { warn: (message) => onWarning?.(message), fail() {} },
    );
    const stop = () => void stage[Symbol.asyncDispose]();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const ingestion = await store.ingest(descriptor, (options) => layer.compressed(options), {
        follower: stage,
        connections: layer.connections,
        ...(signal && { signal }),
        ...(source === undefined ? {} : { source }),
        ...(onProgress && { onProgress: (progress) => onProgress(descriptor, progress) }),
      });
      onLayer?.(descriptor, ingestion);
      const blob = store.blobPath(descriptor.digest);
      if (ingestion.status === "cached") await stage.read(blob);
      return await stage.merge(blob);
    } catch (error) {
      // The stage reads the file of the blob, not the store.
      if (error instanceof DigestMismatchError) store.distrust(error.expected);
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  };
}
