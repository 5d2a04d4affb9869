import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { RelayPlan } from "./_relay_sink.ts";
import type { TransferredError } from "./error_transfer.ts";
import type { MergePlan, StagePlan } from "./layer_staging.ts";
import type { OverlayPlan } from "./overlay_extraction.ts";

/** An extraction to run; plain data. */
export type ExtractionJob =
  | { readonly kind: "stage"; readonly plan: StagePlan }
  | { readonly kind: "overlay"; readonly plan: OverlayPlan };

/** A sink to serve on a port. A relay writes to a sink on another port. */
export type SinkJob =
  | ExtractionJob
  | { readonly kind: "relay"; readonly plan: RelayPlan; readonly inner: MessagePort };

/** A message to a worker. */
export type ToWorker =
  | { readonly kind: "serve"; readonly job: SinkJob; readonly port: MessagePort }
  | { readonly kind: "merge"; readonly call: number; readonly plan: MergePlan }
  | { readonly kind: "stop merge"; readonly call: number; readonly reason: TransferredError };

/** A message from a worker. */
export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "warning"; readonly call: number; readonly message: string }
  | { readonly kind: "merged"; readonly call: number; readonly report: ExtractReport }
  | { readonly kind: "refusal"; readonly call: number; readonly error: TransferredError };
