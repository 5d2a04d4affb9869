import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { LayerStage } from "./layer_stage.ts";

/** A stage whose thread may still be starting: what is asked of it waits for that. */
export class OpeningStage implements LayerStage {
  readonly #opening: Promise<LayerStage>;
  #stage: LayerStage | undefined;

  constructor(opening: Promise<LayerStage>) {
    this.#opening = opening.then((stage) => this.#stage = stage);
  }

  get position(): number {
    return this.#stage?.position ?? 0;
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    if (this.#stage !== undefined) return this.#stage.write(chunk);
    return this.#opening.then((stage) => stage.write(chunk));
  }

  async close(): Promise<void> {
    await (await this.#opening).close();
  }

  async restart(): Promise<void> {
    await (await this.#opening).restart();
  }

  async read(blob: string): Promise<void> {
    await (await this.#opening).read(blob);
  }

  async merge(blob: string): Promise<ExtractReport> {
    return await (await this.#opening).merge(blob);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#opening)[Symbol.asyncDispose]();
  }
}
