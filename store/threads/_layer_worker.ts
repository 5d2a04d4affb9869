/**
 * A worker that extracts layers.
 *
 * @module
 */
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { PortSink, RELAY_WINDOW_BYTES, serveSink } from "./_port_sink.ts";
import { Relay } from "./_relay.ts";
import { type StreamConsumer, StreamSink } from "./_stream_sink.ts";
import type { SinkJob, ToWorker } from "./_thread_messages.ts";
import type { SinkListener } from "./layer_sink.ts";
import { mergeStage, stagingConsumer } from "./layer_staging.ts";
import { overlayConsumer } from "./overlay_extraction.ts";

/**
 * The members of a worker's global scope that are used here. Deno types `globalThis` as a window.
 */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: "ready"): void;
}

const scope = globalThis as unknown as WorkerScope;
/** Loaded for the first extraction, and kept for later ones. */
let native: Disposable | undefined;

scope.onmessage = ({ data: { job, port } }) => {
  const returnsMemory = job.kind !== "relay" && job.plan.isDecompressed === true;
  serveSink(port, returnsMemory, (listener, release) => {
    return new StreamSink(openConsumer(job, listener), release);
  });
};
scope.postMessage("ready");

function openConsumer(job: SinkJob, listener: SinkListener): StreamConsumer<unknown> {
  if (job.kind === "relay") {
    return new Relay(job.plan, listener, (onReturn) => {
      return new PortSink(job.inner, listener, { windowBytes: RELAY_WINDOW_BYTES, onReturn });
    });
  }
  native ??= keepNativeBackend();
  if (job.kind === "stage") return stagingConsumer(job.plan, listener);
  if (job.kind === "overlay") return overlayConsumer(job.plan, listener);
  return {
    position: 0,
    consume: (_stream, signal) => mergeStage(job.plan, { warn: listener.warn, signal }),
    reset: () => Promise.resolve(),
  };
}
