import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { spareFiles } from "../../layer/linux/spare_files.ts";
import { mayStartWorker, startWorker } from "../../layer/start_worker.ts";
import { onAbort } from "../../registry/tasks/abortable.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { PortSink, type PortSinkOptions, RELAY_WINDOW_BYTES } from "./_port_sink.ts";
import { Relay } from "./_relay.ts";
import { StreamSink } from "./_stream_sink.ts";
import type { ExtractionJob, SinkJob, ToWorker } from "./_thread_messages.ts";
import type { LayerSink, SinkListener } from "./layer_sink.ts";
import {
  type MergeOptions,
  type MergePlan,
  mergeStage,
  type StagePlan,
  stagingConsumer,
  type StagingResult,
} from "./layer_staging.ts";
import { overlayConsumer, type OverlayPlan, type OverlayResult } from "./overlay_extraction.ts";

/** Program of the threads. */
const MODULE = new URL("./_layer_worker.ts", import.meta.url);
/** Minimum size of an image for which to start threads. A smaller one is faster without them. */
const MIN_THREADED_BYTES = 4_194_304;
/** Share of an image's bytes above which a layer would outlast the others, so two threads share it. */
const SPLIT_SHARE = 0.2;
/** Minimum size of an image whose relays run in additional threads, which take time to start. */
const MIN_RELAYED_BYTES = 134_217_728;

/** Which layers are decompressed in one thread and extracted in another. */
interface Splitting {
  /** Size of the smallest such layer. */
  readonly from: number;
  /** Whether this thread decompresses, or one of the others. */
  readonly relay: "here" | "thread";
}

/** Number of files that a thread opens: six for the worker, and those for extracting a layer. */
const FILES_PER_THREAD = 12;

/** Returns the number of threads that the limit of open files allows. */
function maxThreads(): number {
  return Math.max(0, Math.floor((spareFiles() - FILES_PER_THREAD) / FILES_PER_THREAD));
}

/** Threads that extract layers. If none can be started, this thread extracts them. */
export class LayerThreads implements Disposable {
  readonly #threads: readonly LayerThread[];
  readonly #splitting: Splitting;

  /**
   * Starts the threads that the layers of an image need, at most one for each processor.
   *
   * @param image The image.
   * @param jobs Maximum number of layers to extract at once.
   */
  static for({ layers }: Pick<RemoteImage, "layers">, jobs: number = Infinity): LayerThreads {
    const count = Math.min(navigator.hardwareConcurrency, maxThreads());
    const sizes = layers.map(({ descriptor }) => descriptor.size);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (bytes < MIN_THREADED_BYTES || !mayStartWorker(MODULE)) return new LayerThreads(0);
    const large = sizes.filter((size) => size > bytes * SPLIT_SHARE);
    const needed = Math.min(jobs, layers.length);
    // Give each large layer two threads if there are enough processors.
    if (large.length * 2 > count) return new LayerThreads(Math.min(count, needed));
    const relay = bytes < MIN_RELAYED_BYTES ? "here" : "thread";
    return new LayerThreads(
      Math.min(count, relay === "here" ? needed : needed + large.length),
      { from: bytes * SPLIT_SHARE, relay },
    );
  }

  /**
   * Starts threads.
   *
   * @param count Number of threads.
   * @param splitting Layers that two threads share; by default, none.
   */
  constructor(count: number, splitting: Splitting = { from: Infinity, relay: "here" }) {
    this.#threads = Array.from({ length: count }, () => new LayerThread());
    this.#splitting = splitting;
  }

  /** Opens a sink that extracts a layer into its stage. */
  async openStage(plan: StagePlan, listener: SinkListener): Promise<LayerSink<StagingResult>> {
    return await this.#open({ kind: "stage", plan }, listener) ??
      new StreamSink(stagingConsumer(plan, listener));
  }

  /** Opens a sink that extracts a layer for overlays. */
  async openOverlay(plan: OverlayPlan, listener: SinkListener): Promise<LayerSink<OverlayResult>> {
    return await this.#open({ kind: "overlay", plan }, listener) ??
      new StreamSink(overlayConsumer(plan, listener));
  }

  /** Merges a layer into the stage of the base. */
  async merge(plan: MergePlan, options: MergeOptions): Promise<ExtractReport> {
    const [thread] = this.#leastLoaded();
    if (thread === undefined || !await thread.isReady) return await mergeStage(plan, options);
    const { warn, signal } = options;
    // `close()` throws the error.
    await using sink = thread.open<ExtractReport>({ kind: "merge", plan }, { warn, fail() {} });
    using _stop = onAbort(signal, () => void sink[Symbol.asyncDispose]());
    try {
      return await sink.close();
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  /** Opens a sink in the thread with the least load; `undefined` if there is no thread. */
  async #open<Result>(
    job: ExtractionJob,
    listener: SinkListener,
  ): Promise<LayerSink<Result> | undefined> {
    const { descriptor, diffId, records } = job.plan;
    const { from, relay } = this.#splitting;
    const [first, second] = this.#leastLoaded();
    if (first === undefined) return undefined;
    const isSplit = descriptor.size >= from;
    const other = isSplit && relay === "thread" ? second : undefined;
    const threads = other === undefined ? [first] : [first, other];
    for (const thread of threads) thread.load += descriptor.size / threads.length;
    const areReady = await Promise.all(threads.map(({ isReady }) => isReady));
    if (areReady.includes(false)) return undefined;
    if (!isSplit) return first.open(job, listener);
    const { options: limits } = job.plan;
    if (other === undefined) {
      // This thread hashes the blob, so the other one verifies the DiffID.
      const relay = new Relay<Result>({ descriptor, limits, records }, listener, (onReturn) => {
        const windowBytes = RELAY_WINDOW_BYTES;
        return first.open(decompressed(job, diffId), listener, { windowBytes, onReturn });
      });
      return new StreamSink(relay);
    }
    const { port1: inner, port2 } = new MessageChannel();
    first.serve(decompressed(job, undefined), port2);
    const sink = other.open<Result>(
      { kind: "relay", plan: { descriptor, diffId, limits, records }, inner },
      listener,
    );
    first.watch(sink);
    return sink;
  }

  #leastLoaded(): readonly LayerThread[] {
    return this.#threads.toSorted((a, b) => a.load - b.load);
  }

  [Symbol.dispose](): void {
    for (const thread of this.#threads) thread[Symbol.dispose]();
  }
}

/** Returns the same job for bytes that a relay has decompressed. */
function decompressed(job: ExtractionJob, diffId: StagePlan["diffId"]): ExtractionJob {
  return { ...job, plan: { ...job.plan, diffId, isDecompressed: true } } as ExtractionJob;
}

class LayerThread implements Disposable {
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
