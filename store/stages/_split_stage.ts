import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { LayerStage } from "./layer_stage.ts";

/** A stage and the relay in front of it. */
export interface StagePair {
  readonly relay: LayerStage;
  readonly stage: LayerStage;
}

/** A layer that is decompressed in one thread and extracted in another. */
export class SplitStage implements LayerStage {
  readonly #openPair: () => StagePair;
  #pair: StagePair;

  constructor(openPair: () => StagePair) {
    this.#openPair = openPair;
    this.#pair = openPair();
  }

  get position(): number {
    return this.#pair.stage.position;
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    return this.#pair.relay.write(chunk);
  }

  async close(): Promise<void> {
    await this.#pair.relay.close();
    await this.#pair.stage.close();
  }

  async restart(): Promise<void> {
    const { relay, stage } = this.#pair;
    await relay[Symbol.asyncDispose]();
    await stage.restart();
    await stage[Symbol.asyncDispose]();
    this.#pair = this.#openPair();
  }

  async read(blob: string): Promise<void> {
    const { relay, stage } = this.#pair;
    await relay.read(blob);
    await stage.close();
  }

  async merge(blob: string): Promise<ExtractReport> {
    return await this.#pair.stage.merge(blob);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pair.relay[Symbol.asyncDispose]();
    await this.#pair.stage[Symbol.asyncDispose]();
  }
}
