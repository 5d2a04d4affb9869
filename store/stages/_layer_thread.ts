import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { mayStartWorker, startWorker } from "../../layer/start_worker.ts";
import { PortSink, type PortSinkOptions } from "./_port_sink.ts";
import type { FromWorker, SinkJob, ToWorker } from "./_thread_messages.ts";
import { packError, unpackError } from "./error_transfer.ts";
import type { SinkListener } from "./layer_sink.ts";
import type { MergeOptions, MergePlan } from "./layer_staging.ts";

const MODULE = new URL("./_layer_worker.ts", import.meta.url);

/** Whether threads can be started. */
export function mayStartThreads(): boolean {
  return mayStartWorker(MODULE);
}

/** A merge whose result has not arrived yet. */
interface PendingMerge extends PromiseWithResolvers<ExtractReport> {
  readonly warn: MergeOptions["warn"];
}

/** A worker that extracts layers. */
export class LayerThread implements Disposable {
  /** Total size of the layers that it was assigned, in bytes. */
  load = 0;
  /** Whether the worker could be started. */
  readonly isReady: Promise<boolean>;
  readonly #worker: Worker | undefined;
  readonly #started = Promise.withResolvers<boolean>();
  readonly #sinks = new Set<PortSink<unknown>>();
  readonly #merges = new Map<number, PendingMerge>();
  #count = 0;
  #death: Error | undefined;

  constructor() {
    this.isReady = this.#started.promise;
    this.#worker = startWorker(MODULE);
    if (this.#worker === undefined) {
      this.#started.resolve(false);
      return;
    }
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#started.resolve(false);
      this.#die(new Error(`Cannot extract layers in a thread: ${event.message}`));
    };
  }

  /** Opens a sink in the thread. */
  open<Result>(
    job: SinkJob,
    listener: SinkListener,
    options?: PortSinkOptions,
  ): PortSink<Result> {
    const { port1, port2 } = new MessageChannel();
    this.serve(job, port2);
    const sink = new PortSink<Result>(port1, listener, options);
    this.watch(sink);
    return sink;
  }

  /** Has the thread serve a sink to another thread. */
  serve(job: SinkJob, port: MessagePort): void {
    const transfer = job.kind === "relay" ? [port, job.inner] : [port];
    this.#post({ kind: "serve", job, port }, transfer);
  }

  /** Has a sink fail if the thread dies. */
  watch(sink: PortSink<unknown>): void {
    if (this.#death === undefined) this.#sinks.add(sink);
    else sink.fail(this.#death);
  }

  /** Merges a layer in the thread. */
  async merge(plan: MergePlan, { warn, signal }: MergeOptions): Promise<ExtractReport> {
    if (this.#death !== undefined) throw this.#death;
    signal.throwIfAborted();
    const call = ++this.#count;
    const merge = { ...Promise.withResolvers<ExtractReport>(), warn };
    const stop = () => this.#post({ kind: "stop merge", call, reason: packError(signal.reason) });
    this.#merges.set(call, merge);
    signal.addEventListener("abort", stop, { once: true });
    try {
      this.#post({ kind: "merge", call, plan });
      return await merge.promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  [Symbol.dispose](): void {
    this.#worker?.terminate();
    this.#started.resolve(false);
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    if (message.kind === "ready") return this.#started.resolve(true);
    const merge = this.#merges.get(message.call);
    if (message.kind === "warning") return merge?.warn(message.message);
    this.#merges.delete(message.call);
    if (message.kind === "merged") merge?.resolve(message.report);
    else merge?.reject(unpackError(message.error));
  }

  #die(error: Error): void {
    this.#death = error;
    for (const sink of this.#sinks) sink.fail(error);
    for (const { reject } of this.#merges.values()) reject(error);
    this.#merges.clear();
  }
}
