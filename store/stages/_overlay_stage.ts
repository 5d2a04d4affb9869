import { ExtractError } from "../../layer/errors.ts";
import { extractLayer } from "../../layer/extraction/extract_layer.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { FedStage, StageListener, StageParts } from "./layer_stage.ts";
import { type InputLayer, type LayerInput, StageInput } from "./_stage_input.ts";
import { clearDraftRoot } from "./draft_root.ts";
import type { LayerExtractionOptions } from "./layer_extraction.ts";
import { layerWhiteouts } from "./_layer_whiteouts.ts";

/** Which layer is extracted where; plain data. */
export interface OverlayPlan extends InputLayer {
  readonly root: string;
  readonly options: Omit<LayerExtractionOptions, "signal" | "onWarning">;
}

/** The extraction of a layer for overlays, as its bytes come or from its blob. */
export class OverlayStage implements FedStage {
  readonly position = 0;
  readonly #plan: OverlayPlan;
  readonly #listener: StageListener;
  readonly #files: Pick<StageParts, "files">;
  readonly #input: StageInput<ExtractReport>;

  constructor(plan: OverlayPlan, listener: StageListener, { release, ...files }: StageParts = {}) {
    this.#plan = plan;
    this.#listener = listener;
    this.#files = files;
    this.#input = new StageInput(plan, { extract: (input) => this.#extract(input), release });
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    return this.#input.write(chunk);
  }

  async close(): Promise<void> {
    this.#input.close();
    await this.#settle();
  }

  fail(error: unknown): void {
    this.#input.fail(error);
  }

  async restart(): Promise<void> {
    await this.#input.restart();
    await clearDraftRoot(this.#plan.root);
  }

  async read(blob: string): Promise<void> {
    await this.#input.read(blob);
    await this.#settle();
  }

  async merge(): Promise<ExtractReport> {
    const { work } = this.#input;
    if (work === undefined) throw new TypeError("Cannot merge a layer before it is read");
    return await work;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input[Symbol.asyncDispose]();
  }

  async #extract({ stream, options: known }: LayerInput): Promise<ExtractReport> {
    const { root, options: { namespace, ...options } } = this.#plan;
    return await extractLayer(stream, root, {
      ...options,
      ...known,
      ...this.#files,
      ...(namespace && { whiteouts: layerWhiteouts(namespace) }),
      onWarning: (message) => this.#listener.warn(message),
    });
  }

  /** The bytes are right even if the layer cannot be extracted alone: `merge` tells of that. */
  async #settle(): Promise<void> {
    try {
      await this.#input.work;
    } catch (error) {
      if (!(error instanceof ExtractError)) throw error;
    }
  }
}
