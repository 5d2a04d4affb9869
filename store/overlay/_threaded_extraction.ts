import type { ContentStore } from "../content/content_store.ts";
import type { LayerListener } from "../content/ingest_layer.ts";
import { planRecords } from "../entries/layer_entries.ts";
import { unpackError } from "../threads/error_transfer.ts";
import { feedLayer } from "../threads/feed_layer.ts";
import type { LayerThreads } from "../threads/layer_threads.ts";
import type { LayerExtraction } from "../threads/overlay_extraction.ts";

/** Extracts layers in threads, either from the store or while they are downloaded. */
export function threadedExtraction(
  store: ContentStore,
  threads: LayerThreads,
  listener: LayerListener = {},
): LayerExtraction {
  return async (layer, root, { signal, onPosition, onWarning, ...options }) => {
    signal?.throwIfAborted();
    const { descriptor, diffId } = layer;
    const records = await planRecords(store, layer);
    const plan = { root, descriptor, diffId, records, options };
    const opening = threads.openOverlay(plan, {
      warn: (message) => onWarning?.(message),
      // `feedLayer()` throws the error.
      fail() {},
    });
    const result = await feedLayer(store, layer, opening, { ...listener, signal, onPosition });
    if (result.kind === "refused") throw unpackError(result.error);
    return result.report;
  };
}
