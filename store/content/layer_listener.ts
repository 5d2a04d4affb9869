import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Ingestion, IngestProgress } from "./ingest.ts";

/** Progress callbacks for fetching layers. */
export interface LayerListener {
  /** Called with the progress of a layer's download. */
  readonly onProgress?: ((layer: Descriptor, progress: IngestProgress) => void) | undefined;
  /** Called when a layer is in the store. */
  readonly onLayer?: ((layer: Descriptor, ingestion: Ingestion) => void) | undefined;
}
