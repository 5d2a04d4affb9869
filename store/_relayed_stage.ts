import { unpackError } from "./_error_transfer.ts";
import type { LayerStage, LocalStage, StageResult } from "./_layer_stage.ts";
import type { RelayMessage } from "./_stage_relay.ts";

/** A stage whose bytes come, decompressed, from a relay in another thread. */
export class RelayedStage implements LayerStage {
  readonly #stage: LocalStage;
  readonly #port: MessagePort;
  readonly #onProgress: () => void;
  readonly #end = Promise.withResolvers<void>();

  /** Before `stage`; `onProgress` is called now and then. */
  constructor(stage: LocalStage, port: MessagePort, onProgress: () => void) {
    this.#stage = stage;
    this.#port = port;
    this.#onProgress = onProgress;
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

  async merge(blob: string): Promise<StageResult> {
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
        return this.#take(message.bytes);
      case "end":
        return this.#end.resolve();
      case "failure":
        this.#stage.fail(unpackError(message.error));
        return this.#end.resolve();
    }
  }

  #take(bytes: Uint8Array<ArrayBuffer>): void {
    const { length } = bytes;
    const acknowledge = () => {
      this.#port.postMessage(length);
      this.#onProgress();
    };
    const pending = this.#stage.write(bytes);
    if (pending === undefined) acknowledge();
    else pending.then(acknowledge);
  }
}
