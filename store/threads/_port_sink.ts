import type { ReleaseChunk } from "./_byte_queue.ts";
import { ByteWindow } from "./_byte_window.ts";
import { packError, type TransferredError, unpackError } from "./error_transfer.ts";
import type { LayerSink, SinkListener } from "./layer_sink.ts";

type SinkRequest =
  | { readonly kind: "close"; readonly failure: TransferredError | undefined }
  | { readonly kind: "restart" | "dispose" };

type ToSink =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | SinkRequest & { readonly call: number };

type FromSink =
  | {
    readonly kind: "taken";
    readonly bytes: number;
    readonly position: number;
    /** The chunk, if the writer reuses its memory. */
    readonly chunk: Uint8Array<ArrayBuffer> | undefined;
  }
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "failure"; readonly error: TransferredError }
  | {
    readonly kind: "answer";
    readonly call: number;
    readonly position: number;
    readonly result: unknown;
  }
  | { readonly kind: "refusal"; readonly call: number; readonly error: TransferredError };

/** Maximum memory of the chunks of a blob on their way to another thread, in bytes. */
const BLOB_WINDOW_BYTES = 2_097_152;

/**
 * The same for decompressed bytes: enough to even out sequences of large files, which keep the relay
 * busy, and of small ones, which keep the extraction busy. More would not fit into a CPU's cache.
 */
export const RELAY_WINDOW_BYTES = 4_194_304;

export interface PortSinkOptions {
  /** Maximum memory of the chunks on their way to the other thread, in bytes. */
  readonly windowBytes?: number | undefined;
  /** Called with each chunk whose memory can be reused. */
  readonly onReturn?: ReleaseChunk | undefined;
}

/** A sink in another thread, which is reached through a port. */
export class PortSink<Result> implements LayerSink<Result> {
  position = 0;
  readonly #port: MessagePort;
  readonly #listener: SinkListener;
  readonly #window: ByteWindow;
  readonly #onReturn: ReleaseChunk | undefined;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  #count = 0;
  #end: Error | undefined;
  #disposal: Promise<void> | undefined;

  constructor(
    port: MessagePort,
    listener: SinkListener,
    { windowBytes = BLOB_WINDOW_BYTES, onReturn }: PortSinkOptions = {},
  ) {
    this.#port = port;
    this.#listener = listener;
    this.#window = new ByteWindow(windowBytes);
    this.#onReturn = onReturn;
    port.onmessage = ({ data }: MessageEvent<FromSink>) => this.#receive(data);
  }

  write(bytes: Uint8Array<ArrayBuffer>): void | Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    const pending = this.#window.add(bytes.buffer.byteLength);
    this.#port.postMessage({ kind: "bytes", bytes } satisfies ToSink, [bytes.buffer]);
    return pending;
  }

  async close(failure?: Error): Promise<Result> {
    return await this.#call({ kind: "close", failure: failure && packError(failure) }) as Result;
  }

  async restart(): Promise<void> {
    await this.#call({ kind: "restart" });
  }

  /** Fails all calls because the other thread has died. */
  fail(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#window.clear();
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    this.#listener.fail(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposal ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    if (this.#end === undefined) {
      const disposal = this.#call({ kind: "dispose" });
      this.#end = new Error("Cannot continue the layer: its sink was closed");
      // The other thread may die before it answers.
      await disposal.catch(() => {});
    }
    this.#window.clear();
    this.#port.close();
  }

  async #call(request: SinkRequest): Promise<unknown> {
    if (this.#end !== undefined) throw this.#end;
    const answer = Promise.withResolvers<unknown>();
    const call = ++this.#count;
    this.#calls.set(call, answer);
    this.#port.postMessage({ ...request, call } satisfies ToSink);
    return await answer.promise;
  }

  #receive(message: FromSink): void {
    switch (message.kind) {
      case "taken":
        this.position = message.position;
        this.#window.remove(message.bytes);
        if (message.chunk !== undefined) this.#onReturn?.(message.chunk);
        return;
      case "warning":
        return this.#listener.warn(message.message);
      case "failure":
        return this.#listener.fail(unpackError(message.error));
      case "answer":
        this.position = message.position;
        this.#calls.get(message.call)?.resolve(message.result);
        break;
      case "refusal":
        this.#calls.get(message.call)?.reject(unpackError(message.error));
    }
    this.#calls.delete(message.call);
  }
}

/**
 * Serves a sink of this thread at the other end of a port.
 *
 * @param port The port.
 * @param returnsMemory Whether the writer reuses the memory of its chunks.
 * @param openSink Opens the sink.
 */
export function serveSink(
  port: MessagePort,
  returnsMemory: boolean,
  openSink: (listener: SinkListener, release: ReleaseChunk) => LayerSink<unknown>,
): void {
  const post = (message: FromSink, transfer: Transferable[] = []) => {
    port.postMessage(message, transfer);
  };
  // Sizes of the buffers of chunks that the sink has not released yet. When it releases a chunk, it
  // may have transferred the buffer, which then has no size.
  const sizes: number[] = [];
  const release = (chunk: Uint8Array<ArrayBuffer>) => {
    const bytes = sizes.shift() ?? 0;
    const { position } = sink;
    const isReturned = returnsMemory && !chunk.buffer.detached;
    if (!returnsMemory && !chunk.buffer.detached) chunk.buffer.transfer(0);
    const message = { kind: "taken", bytes, position, chunk: isReturned ? chunk : undefined };
    post(message as FromSink, isReturned ? [chunk.buffer] : []);
  };
  const sink = openSink({
    warn: (message) => post({ kind: "warning", message }),
    fail: (error) => post({ kind: "failure", error: packError(error) }),
  }, release);
  port.onmessage = ({ data }: MessageEvent<ToSink>) => {
    if (data.kind !== "bytes") return void answer(data);
    sizes.push(data.bytes.buffer.byteLength);
    // The window of the writer limits the bytes that wait here.
    void sink.write(data.bytes);
  };
  const answer = async ({ call, ...request }: SinkRequest & { readonly call: number }) => {
    try {
      const result = await perform(sink, request);
      post({ kind: "answer", call, position: sink.position, result });
    } catch (error) {
      post({ kind: "refusal", call, error: packError(error) });
    }
    if (request.kind === "dispose") port.close();
  };
}

async function perform(sink: LayerSink<unknown>, request: SinkRequest): Promise<unknown> {
  switch (request.kind) {
    case "close":
      return await sink.close(request.failure && unpackError(request.failure));
    case "restart":
      return await sink.restart();
    case "dispose":
      return await sink[Symbol.asyncDispose]();
  }
}
