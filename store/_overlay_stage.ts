import { ExtractError } from "../layer/errors.ts";
import { extractLayer } from "../layer/extract_layer.ts";
import type { ExtractReport } from "../layer/extract_report.ts";
import type { Descriptor } from "../spec/descriptor.ts";
import type { Digest } from "../spec/digest.ts";
import { openBlobStream } from "./_blob_stream.ts";
import { ByteQueue } from "./_byte_queue.ts";
import type { LayerStage, StageListener, StageResult } from "./_layer_stage.ts";
import { clearDraftRoot } from "./overlay/draft_root.ts";
import type { LayerExtractionOptions } from "./overlay/layer_extraction.ts";
import { layerWhiteouts } from "./overlay/layer_whiteouts.ts";

/** Which layer is extracted where; plain data. */
export interface OverlayPlan {
  readonly root: string;
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly options: Omit<LayerExtractionOptions, "signal" | "onWarning">;
}

/** The extraction of a layer for overlays, as its bytes come or from its blob. */
export class OverlayStage implements LayerStage {
  readonly position = 0;
  readonly #plan: OverlayPlan;
  readonly #listener: StageListener;
  readonly #stop = new AbortController();
  #queue: ByteQueue | undefined;
  #work: Promise<ExtractReport> | undefined;

  constructor(plan: OverlayPlan, listener: StageListener) {
    this.#plan = plan;
    this.#listener = listener;
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    return this.#open().write(chunk);
  }

  async close(): Promise<void> {
    this.#open().close();
    await this.#settle();
  }

  async restart(): Promise<void> {
    const queue = this.#queue;
    this.#queue = undefined;
    queue?.fail(new Error("Cannot go on: the bytes were wrong"));
    await this.#work?.catch(() => {});
    this.#work = undefined;
    await clearDraftRoot(this.#plan.root);
  }

  async read(blob: string): Promise<void> {
    const { descriptor } = this.#plan;
    const { signal } = this.#stop;
    this.#start(await openBlobStream(blob, { reuseMemory: true, signal }), descriptor);
    await this.#settle();
  }

  async merge(): Promise<StageResult> {
    if (this.#work === undefined) throw new TypeError("Cannot merge a layer before it is read");
    return { report: await this.#work, hasRoot: false };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Error("Cannot go on: the extraction was stopped");
    this.#stop.abort(reason);
    this.#queue?.fail(reason);
    await this.#work?.catch(() => {});
  }

  #open(): ByteQueue {
    if (this.#queue === undefined) {
      this.#queue = new ByteQueue();
      this.#start(this.#queue.readable, undefined);
    }
    return this.#queue;
  }

  #start(stream: ReadableStream<Uint8Array>, descriptor: Descriptor | undefined): void {
    const { root, diffId, options: { namespace, ...options } } = this.#plan;
    const { digest, mediaType } = this.#plan.descriptor;
    this.#work = extractLayer(stream, root, {
      ...{ ...options, layer: digest, diffId, signal: this.#stop.signal },
      ...(descriptor === undefined ? { mediaType } : { descriptor }),
      ...(namespace && { whiteouts: layerWhiteouts(namespace) }),
      onWarning: (message) => this.#listener.warn(message),
    });
    // Whoever waits for it hears of a failure; nobody may be waiting yet.
    this.#work.catch(() => {});
  }

  /** The bytes are right even if the layer cannot be extracted alone: `merge` tells of that. */
  async #settle(): Promise<void> {
    try {
      await this.#work;
    } catch (error) {
      if (!(error instanceof ExtractError)) throw error;
    }
  }
}
