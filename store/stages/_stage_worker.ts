/**
 * What runs in a worker: stages of layers, each doing what it would do in the main thread.
 *
 * @module
 */
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { keepNativeBackend } from "../../layer/linux/native_backend.ts";
import { packError } from "./_error_transfer.ts";
import { type LayerStage, LocalStage, type StageParts } from "./layer_stage.ts";
import { RelayedStage } from "./_relayed_stage.ts";
import type { FromWorker, StageCall, StageOpening, ToWorker } from "./_stage_messages.ts";
import { StageRelay } from "./_stage_relay.ts";
import { OverlayStage } from "./_overlay_stage.ts";

/** What of a worker's global scope is used; its types would clash with those of a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
}

const scope = globalThis as unknown as WorkerScope;
const stages = new Map<number, LayerStage>();
/** Once a stage has been opened: each one opens a tree or two. */
let native: Disposable | undefined;

scope.onmessage = ({ data }) => {
  switch (data.kind) {
    case "open":
    case "relay":
    case "overlay":
      return void stages.set(data.stage, open(data.stage, data));
    case "bytes":
      return take(data.stage, data.bytes);
    case "call":
      return void answer(data.stage, data.call, data.request);
  }
};
scope.postMessage({ kind: "ready" });

function open(stage: number, opening: StageOpening): LayerStage {
  const listener = {
    warn: (message: string) => scope.postMessage({ kind: "warning", stage, message }),
    fail: (error: unknown) => {
      scope.postMessage({ kind: "failure", stage, error: packError(error) });
    },
  };
  if (opening.kind === "relay") return new StageRelay(opening.plan, listener, opening.port);
  native ??= keepNativeBackend();
  const openStage = (parts?: StageParts) => {
    return opening.kind === "overlay"
      ? new OverlayStage(opening.plan, listener, parts)
      : new LocalStage(opening.plan, listener, parts);
  };
  if (opening.port === undefined) return openStage();
  return new RelayedStage(opening.port, (release) => openStage({ release }), (position) => {
    scope.postMessage({ kind: "taken", stage, bytes: 0, position });
  });
}

function take(stage: number, bytes: Uint8Array<ArrayBuffer>): void {
  const local = stages.get(stage);
  const { length } = bytes;
  const acknowledge = () => {
    const position = local?.position ?? 0;
    scope.postMessage({ kind: "taken", stage, bytes: length, position });
  };
  const pending = local?.write(bytes);
  if (pending === undefined) acknowledge();
  else pending.then(acknowledge);
}

async function answer(stage: number, call: number, request: StageCall): Promise<void> {
  try {
    const result = await perform(stage, request);
    const position = stages.get(stage)?.position ?? 0;
    scope.postMessage({ kind: "answer", call, position, ...(result && { result }) });
  } catch (error) {
    scope.postMessage({ kind: "refusal", call, error: packError(error) });
  }
}

async function perform(stage: number, request: StageCall): Promise<ExtractReport | void> {
  const local = stages.get(stage);
  switch (request.kind) {
    case "close":
      return await local?.close();
    case "restart":
      return await local?.restart();
    case "read":
      return await local?.read(request.blob);
    case "merge":
      return await local?.merge(request.blob);
    case "dispose":
      stages.delete(stage);
      return await local?.[Symbol.asyncDispose]();
  }
}
