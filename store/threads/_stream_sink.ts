import { ByteQueue, type ReleaseChunk } from "./_byte_queue.ts";
import type { LayerSink } from "./layer_sink.ts";

/** Does the work of a {@linkcode StreamSink}. */
export interface StreamConsumer<Result> extends Partial<AsyncDisposable> {
  /** Position of the current entry in the archive, in bytes. */
  readonly position: number;
  /** Reads a layer to its end, or until the signal aborts. */
  consume(stream: ReadableStream<Uint8Array<ArrayBuffer>>, signal: AbortSignal): Promise<Result>;
  /** Discards the results of all bytes so far. */
  reset(): Promise<void>;
}

/** An attempt to consume a layer. */
interface Attempt<Result> {
  readonly queue: ByteQueue;
  readonly stop: AbortController;
  readonly result: Promise<Result>;
}

/** A sink that passes its bytes to a consumer in this thread as a stream. */
export class StreamSink<Result> implements LayerSink<Result> {
  readonly #consumer: StreamConsumer<Result>;
  readonly #release: ReleaseChunk | undefined;
  #attempt: Attempt<Result> | undefined;
  #end: Error | undefined;

  constructor(consumer: StreamConsumer<Result>, release?: ReleaseChunk) {
    this.#consumer = consumer;
    this.#release = release;
  }

  get position(): number {
    return this.#consumer.position;
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    return this.#begin().queue.write(chunk);
  }

  async close(failure?: Error): Promise<Result> {
    const { queue, result } = this.#begin();
    if (failure === undefined) queue.close();
    else queue.fail(failure);
    return await result;
  }

  async restart(): Promise<void> {
    await this.#stop(new Error("Cannot continue the layer: its bytes were wrong"));
    this.#attempt = undefined;
    await this.#consumer.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end ??= new Error("Cannot continue the layer: its sink was closed");
    // Concurrently, because the attempt may be waiting for what the consumer disposes of.
    await Promise.all([this.#stop(this.#end), this.#consumer[Symbol.asyncDispose]?.()]);
  }

  #begin(): Attempt<Result> {
    if (this.#end !== undefined) throw this.#end;
    return this.#attempt ??= this.#start();
  }

  #start(): Attempt<Result> {
    const queue = new ByteQueue(this.#release);
    const stop = new AbortController();
    const result = this.#consumer.consume(queue.readable, stop.signal);
    // `close()` reports it.
    result.catch(() => {});
    return { queue, stop, result };
  }

  async #stop(reason: Error): Promise<void> {
    // The attempt stays, so that a second disposal also waits for its end.
    const attempt = this.#attempt;
    attempt?.stop.abort(reason);
    attempt?.queue.fail(reason);
    await attempt?.result.catch(() => {});
  }
}
