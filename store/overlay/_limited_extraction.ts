import type { ContentStore } from "../content/content_store.ts";
import { bringLayer } from "../content/bring_layer.ts";
import type { LayerListener } from "../content/layer_listener.ts";
import { StoredLayer } from "../images/image.ts";
import { extractOverlayLayer, type LayerExtraction } from "../stages/overlay_extraction.ts";

/**
 * Downloads layers into the store, and extracts them in this thread, where limits other than the
 * default ones apply.
 */
export function limitedExtraction(store: ContentStore, listener: LayerListener): LayerExtraction {
  return async (layer, root, options) => {
    await bringLayer(store, layer, { ...listener, signal: options.signal });
    const stored = new StoredLayer(store, layer.descriptor, layer.diffId);
    return await extractOverlayLayer(stored, root, options);
  };
}
