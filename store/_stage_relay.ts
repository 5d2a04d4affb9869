import { DecompressStream } from "../layer/decompress_stream.ts";
import { Verifier } from "../spec/verifier.ts";
import { openBlobStream } from "./_blob_stream.ts";
import { ByteQueue } from "./_byte_queue.ts";
import { packError, type TransferredError } from "./_error_transfer.ts";
import type { LayerStage, StageListener, StagePlan, StageResult } from "./_layer_stage.ts";

/** What a relay says to the stage that it is in front of. */
export type RelayMessage =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end" }
  | { readonly kind: "failure"; readonly error: TransferredError };

/** So many bytes may be on their way to the other thread before the relay waits. */
const WINDOW_BYTES = 2_097_152;

/**
 * Decompresses a layer for a stage in another thread, so that one large layer keeps two
 * processors busy. Chunks go straight from thread to thread.
 */
export class StageRelay implements LayerStage {
  readonly position = 0;
  readonly #plan: StagePlan;
  readonly #listener: StageListener;
  readonly #port: MessagePort;
  readonly #stop = new AbortController();
  #queue: ByteQueue | undefined;
  #work: Promise<void> | undefined;
  #inFlight = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(plan: StagePlan, listener: StageListener, port: MessagePort) {
    this.#plan = plan;
    this.#listener = listener;
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<number>) => this.#taken(data);
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    return this.#open().write(chunk);
  }

  async close(): Promise<void> {
    this.#open().close();
    await this.#work;
  }

  async read(blob: string): Promise<void> {
    const { descriptor } = this.#plan;
    const verifier = new Verifier(descriptor, `"${blob}"`);
    const { signal } = this.#stop;
    await this.#relay(await openBlobStream(blob, { verifier, signal }));
  }

  /** A relay that began with wrong bytes is given up for another one. */
  restart(): Promise<void> {
    return Promise.reject(new TypeError("Cannot restart a relay: open another one"));
  }

  /** Files are the stage's. */
  merge(): Promise<StageResult> {
    return Promise.reject(new TypeError("Cannot merge a relay: it has no files"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Error("Cannot go on: the extraction was stopped");
    this.#stop.abort(reason);
    this.#queue?.fail(reason);
    this.#room?.resolve();
    await this.#work;
    this.#port.close();
  }

  #open(): ByteQueue {
    if (this.#queue === undefined) {
      this.#queue = new ByteQueue();
      this.#work = this.#relay(this.#queue.readable);
    }
    return this.#queue;
  }

  async #relay(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const { descriptor: { mediaType }, options } = this.#plan;
    const { maxBytes, maxRatio, maxWindow } = options;
    const decompress = new DecompressStream({
      mediaType,
      ...(maxBytes !== undefined && { maxBytes }),
      ...(maxRatio !== undefined && { maxRatio }),
      ...(maxWindow !== undefined && { maxWindow }),
      onWarning: (message) => this.#listener.warn(message),
    });
    try {
      for await (const bytes of stream.pipeThrough(decompress)) {
        if (this.#stop.signal.aborted) break;
        await this.#send(bytes);
      }
      this.#port.postMessage({ kind: "end" } satisfies RelayMessage);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      // The stage knows where in the layer this is.
      const failure: RelayMessage = { kind: "failure", error: packError(error) };
      this.#port.postMessage(failure);
    }
  }

  async #send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const whole = bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
    this.#inFlight += whole.length;
    this.#port.postMessage({ kind: "bytes", bytes: whole } satisfies RelayMessage, [whole.buffer]);
    if (this.#inFlight <= WINDOW_BYTES) return;
    this.#room = Promise.withResolvers();
    await this.#room.promise;
  }

  #taken(length: number): void {
    this.#inFlight -= length;
    if (this.#inFlight <= WINDOW_BYTES / 2) this.#room?.resolve();
  }
}
