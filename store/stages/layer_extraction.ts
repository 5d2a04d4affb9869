import { extractLayer } from "../../layer/extraction/extract_layer.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import type { RemoteLayer } from "../../spec/image.ts";
import type { LayerKind } from "./layer_kind.ts";
import { layerWhiteouts } from "./_layer_whiteouts.ts";

/** How one layer is extracted. All but the last two is plain data, for other threads. */
export interface LayerExtractionOptions {
  /** To whom files belong. */
  readonly ownership: Ownership;
  /**
   * The namespace of the attributes that mark opaque directories, for a layer that is extracted
   * alone; absent where the directory shows its parents too.
   */
  readonly namespace?: LayerKind["namespace"] | undefined;
  /** Stops the extraction. */
  readonly signal?: AbortSignal | undefined;
  /** Is told what is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Extracts one layer, verified, into a directory that is there.
 *
 * @param layer The layer.
 * @param root The directory.
 * @param options How.
 */
export type LayerExtraction = (
  layer: RemoteLayer,
  root: string,
  options: LayerExtractionOptions,
) => Promise<ExtractReport>;

/** Extracts one layer in this thread. */
export async function extractOverlayLayer(
  layer: RemoteLayer,
  root: string,
  options: LayerExtractionOptions,
): Promise<ExtractReport> {
  const { namespace, signal, ...rest } = options;
  const { descriptor, diffId } = layer;
  return await extractLayer(await layer.compressed(signal && { signal }), root, {
    ...{ ...rest, descriptor, diffId },
    ...(signal && { signal }),
    ...(namespace && { whiteouts: layerWhiteouts(namespace) }),
  });
}
