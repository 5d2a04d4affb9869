import { mayStartWorker, startWorker } from "../../layer/start_worker.ts";
import { PortSink, type PortSinkOptions } from "./_port_sink.ts";
import type { SinkJob, ToWorker } from "./_thread_messages.ts";
import type { SinkListener } from "./layer_sink.ts";

const MODULE = new URL("./_layer_worker.ts", import.meta.url);

/** Whether threads can be started. */
export function mayStartThreads(): boolean {
  return mayStartWorker(MODULE);
}

export class LayerThread implements Disposable {
  /** Total size of the layers that it was assigned, in bytes. */
  load = 0;
  readonly #worker: Worker | undefined;
  readonly #started = Promise.withResolvers<boolean>();
  /** Whether the worker could be started. */
  readonly isReady: Promise<boolean> = this.#started.promise;
  readonly #sinks = new Set<PortSink<unknown>>();
  #death: Error | undefined;

  constructor() {
    this.#worker = startWorker(MODULE);
    if (this.#worker === undefined) {
      this.#started.resolve(false);
      return;
    }
    this.#worker.onmessage = () => this.#started.resolve(true);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#started.resolve(false);
      this.#die(new Error(`Cannot extract layers in a thread: ${event.message}`));
    };
  }

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
    this.#worker?.postMessage({ job, port } satisfies ToWorker, transfer);
  }

  /** Makes a sink fail when the thread dies. */
  watch(sink: PortSink<unknown>): void {
    if (this.#death === undefined) this.#sinks.add(sink);
    else sink.fail(this.#death);
  }

  [Symbol.dispose](): void {
    this.#worker?.terminate();
    this.#started.resolve(false);
  }

  #die(error: Error): void {
    this.#death = error;
    for (const sink of this.#sinks) sink.fail(error);
  }
}
