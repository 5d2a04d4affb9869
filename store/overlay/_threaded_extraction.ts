import type { StageWorkers } from "../_stage_workers.ts";
import type { ContentStore } from "../content_store.ts";
import type { LayerExtraction } from "./layer_extraction.ts";

/** Extracts the layers of a store in threads. */
export function threadedExtraction(store: ContentStore, workers: StageWorkers): LayerExtraction {
  return async ({ descriptor, diffId }, root, { signal, onWarning, ...options }) => {
    signal?.throwIfAborted();
    await using stage = await workers.openOverlay(
      { store: store.path, root, descriptor, diffId, options },
      { warn: (message) => onWarning?.(message), fail() {} },
    );
    const stop = () => void stage[Symbol.asyncDispose]();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return (await stage.merge("")).report;
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  };
}
