import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { ReleaseChunk } from "./_byte_queue.ts";
import { unpackError } from "./_error_transfer.ts";
import type { FedStage, LayerStage } from "./layer_stage.ts";
import type { RelayMessage } from "./_stage_relay.ts";

/** A stage whose bytes come, decompressed, from a relay in another thread. */
export class RelayedStage implements LayerStage {
  readonly #stage: FedStage;
  readonly #port: MessagePort;
  readonly #end = Promise.withResolvers<void>();

  /**
   * Behind a port.
   *
   * @param port The relay is at its other end.
   * @param openStage Opens the stage, with what is given chunks that it is done with.
   * @param onProgress Is called now and then, with where in the archive the extraction is.
   */
  constructor(
    port: MessagePort,
    openStage: (release: ReleaseChunk) => FedStage,
    onProgress: (position: number) => void,
  ) {
    this.#stage = openStage((chunk) => {
      port.postMessage(chunk, [chunk.buffer]);
      onProgress(this.position);
    });
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<RelayMessage>) => this.#hear(data);
  }

  get position(): number {
    return this.#stage.position;
  }

  write(): void {
    throw new TypeError("Cannot write to a stage that has a relay");
  }

  async close(): Promise<void> {
    await this.#end.promise;
    await this.#stage.close();
  }

  /** Removes what was made of wrong bytes; a new relay comes with a new stage. */
  async restart(): Promise<void> {
    this.#port.close();
    await this.#stage.restart();
  }

  /** The relay reads. */
  async read(): Promise<void> {
    await this.close();
  }

  async merge(blob: string): Promise<ExtractReport> {
    return await this.#stage.merge(blob);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.resolve();
    await this.#stage[Symbol.asyncDispose]();
    this.#port.close();
  }

  #hear(message: RelayMessage): void {
    switch (message.kind) {
      case "bytes":
        // The relay waits for chunks to come back.
        return void this.#stage.write(message.bytes);
      case "end":
        return this.#end.resolve();
      case "failure":
        this.#stage.fail(unpackError(message.error));
        return this.#end.resolve();
    }
  }
}
