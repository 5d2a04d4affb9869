import type { Descriptor } from "../../spec/descriptor.ts";
import type { Ingestion, IngestProgress } from "./ingest.ts";

/** Whom the bringing of an image's layers is told. */
export interface LayerListener {
  /** Is told how far the download of a layer is. */
  readonly onProgress?: ((layer: Descriptor, progress: IngestProgress) => void) | undefined;
  /** Is told that a layer is in the store, and how it got there. */
  readonly onLayer?: ((layer: Descriptor, ingestion: Ingestion) => void) | undefined;
}
