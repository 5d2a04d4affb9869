import type { ExtractReport } from "../layer/mod.ts";
import type { Descriptor, Digest } from "../spec/mod.ts";
import type { LayerStage, StageListener, StageResult } from "./_layer_stage.ts";
import { ContentStore } from "./content_store.ts";
import { StoredLayer } from "./image.ts";
import { extractOverlayLayer, type LayerExtractionOptions } from "./overlay/layer_extraction.ts";

/** Which layer of which store is extracted where; plain data. */
export interface OverlayPlan {
  /** The directory of the store. */
  readonly store: string;
  readonly root: string;
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly options: Omit<LayerExtractionOptions, "signal" | "onWarning">;
}

/** The extraction of a layer for overlays, which is read from the store. */
export class OverlayStage implements LayerStage {
  readonly position = 0;
  readonly #plan: OverlayPlan;
  readonly #listener: StageListener;
  readonly #stop = new AbortController();
  #work: Promise<ExtractReport> | undefined;

  constructor(plan: OverlayPlan, listener: StageListener) {
    this.#plan = plan;
    this.#listener = listener;
  }

  async read(): Promise<void> {
    this.#work = this.#extract();
    await this.#work;
  }

  async merge(): Promise<StageResult> {
    const report = await (this.#work ??= this.#extract());
    return { report, hasRoot: false };
  }

  write(): void {
    throw new TypeError("Cannot write to the extraction of a stored layer");
  }

  close(): Promise<void> {
    return this.read();
  }

  restart(): Promise<void> {
    return Promise.reject(new TypeError("Cannot restart the extraction of a stored layer"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("Cannot go on: the extraction was stopped"));
    await this.#work?.catch(() => {});
  }

  async #extract(): Promise<ExtractReport> {
    const { store, root, descriptor, diffId, options } = this.#plan;
    const layer = new StoredLayer(await ContentStore.open(store), descriptor, diffId);
    return await extractOverlayLayer(layer, root, {
      ...options,
      signal: this.#stop.signal,
      onWarning: (message) => this.#listener.warn(message),
    });
  }
}
