/**
 * A worker that extracts layers.
 *
 * @module
 */
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import type { ReleaseChunk } from "./_byte_queue.ts";
import { PortSink, RELAY_WINDOW_BYTES, serveSink } from "./_port_sink.ts";
import { RelaySink } from "./_relay_sink.ts";
import { StreamSink } from "./_stream_sink.ts";
import type { FromWorker, SinkJob, ToWorker } from "./_thread_messages.ts";
import { packError, unpackError } from "./error_transfer.ts";
import type { LayerSink, SinkListener } from "./layer_sink.ts";
import { LayerStaging, type MergePlan, mergeStage } from "./layer_staging.ts";
import { OverlayExtraction } from "./overlay_extraction.ts";

/** The part of the global scope of a worker that is used here; a window has other types. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
}

const scope = globalThis as unknown as WorkerScope;
/** Loaded for the first extraction, and kept for later ones. */
let native: Disposable | undefined;
const merges = new Map<number, AbortController>();

scope.onmessage = ({ data }) => {
  if (data.kind === "merge") return void merge(data.call, data.plan);
  if (data.kind === "stop merge") return merges.get(data.call)?.abort(unpackError(data.reason));
  const { job, port } = data;
  const returnsMemory = job.kind !== "relay" && job.plan.isDecompressed === true;
  serveSink(port, returnsMemory, (listener, release) => openSink(job, listener, release));
};
scope.postMessage({ kind: "ready" });

function openSink(
  job: SinkJob,
  listener: SinkListener,
  release: ReleaseChunk,
): LayerSink<unknown> {
  if (job.kind === "relay") {
    const { plan, inner } = job;
    const openInner = (onReturn: ReleaseChunk) => {
      return new PortSink(inner, listener, { windowBytes: RELAY_WINDOW_BYTES, onReturn });
    };
    return new RelaySink(plan, listener, openInner, release);
  }
  native ??= keepNativeBackend();
  return job.kind === "stage"
    ? new StreamSink(new LayerStaging(job.plan, listener), release)
    : new StreamSink(new OverlayExtraction(job.plan, listener), release);
}

async function merge(call: number, plan: MergePlan): Promise<void> {
  native ??= keepNativeBackend();
  const controller = new AbortController();
  merges.set(call, controller);
  try {
    const report = await mergeStage(plan, {
      warn: (message) => scope.postMessage({ kind: "warning", call, message }),
      signal: controller.signal,
    });
    scope.postMessage({ kind: "merged", call, report });
  } catch (error) {
    scope.postMessage({ kind: "refusal", call, error: packError(error) });
  } finally {
    merges.delete(call);
  }
}
