import type { RelayPlan } from "./_relay.ts";
import type { MergePlan, StagePlan } from "./layer_staging.ts";
import type { OverlayPlan } from "./overlay_extraction.ts";

/** An extraction to run; plain data. */
export type ExtractionJob =
  | { readonly kind: "stage"; readonly plan: StagePlan }
  | { readonly kind: "overlay"; readonly plan: OverlayPlan };

/**
 * Work for the sink that a worker serves on a port. A relay writes to a sink on another port. A
 * merge needs no bytes, and runs when its sink is closed.
 */
export type SinkJob =
  | ExtractionJob
  | { readonly kind: "merge"; readonly plan: MergePlan }
  | { readonly kind: "relay"; readonly plan: RelayPlan; readonly inner: MessagePort };

/** A message to a worker. The only message from a worker says that it is ready. */
export interface ToWorker {
  readonly job: SinkJob;
  readonly port: MessagePort;
}
