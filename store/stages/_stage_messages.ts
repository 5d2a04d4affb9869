import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { TransferredError } from "./_error_transfer.ts";
import type { StagePlan } from "./layer_stage.ts";
import type { OverlayPlan } from "./_overlay_stage.ts";
import type { RelayPlan } from "./_stage_relay.ts";

/** What is asked of a stage in a worker, and answered once. */
export type StageCall =
  | { readonly kind: "close" | "restart" | "dispose" }
  | { readonly kind: "read" | "merge"; readonly blob: string };

/** What a worker is told to open. */
export type StageOpening =
  | StagePlanning & { readonly port?: MessagePort }
  | { readonly kind: "relay"; readonly plan: RelayPlan; readonly port: MessagePort };

/** What becomes of a layer. With a port, its bytes come from a relay. */
export type StagePlanning =
  | { readonly kind: "open"; readonly plan: StagePlan }
  | { readonly kind: "overlay"; readonly plan: OverlayPlan };

/** What a worker is told; `stage` says of which stage. */
export type ToWorker =
  | StageOpening & { readonly stage: number }
  | { readonly kind: "bytes"; readonly stage: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "call"; readonly stage: number; readonly call: number } & {
    readonly request: StageCall;
  };

/** What a worker tells. */
export type FromWorker =
  /** It has started. */
  | { readonly kind: "ready" }
  /** So many bytes have been taken, and the extraction is there in the archive. */
  | {
    readonly kind: "taken";
    readonly stage: number;
    readonly bytes: number;
    readonly position: number;
  }
  | { readonly kind: "warning"; readonly stage: number; readonly message: string }
  | { readonly kind: "failure"; readonly stage: number; readonly error: TransferredError }
  | { readonly kind: "answer"; readonly call: number } & {
    readonly position: number;
    readonly result?: ExtractReport;
  }
  | { readonly kind: "refusal"; readonly call: number; readonly error: TransferredError };
