import type { DecompressOptions } from "../../layer/compression/decompressor.ts";
import { LayerDecoder } from "../../layer/compression/layer_decoder.ts";
import { SeekPointRecorder } from "../../layer/compression/seek_points.ts";
import { type LayerInput, saveSeekPoints } from "../entries/extract_recorded.ts";
import type { ReleaseChunk } from "./_byte_queue.ts";
import type { StreamConsumer } from "./_stream_sink.ts";
import type { LayerSink, SinkListener } from "./layer_sink.ts";

/** A layer for a relay to decompress, and its limits; plain data. */
export interface RelayPlan extends LayerInput {
  readonly limits: Pick<DecompressOptions, "maxBytes" | "maxRatio" | "maxWindow">;
}

/** Size of the chunks for the inner sink: large, because messages between threads are expensive. */
const CHUNK_BYTES = 1_048_576;

/**
 * Decompresses a layer for a sink in another thread, so that a large layer keeps two processors
 * busy. Verifies the DiffID if the plan has one.
 */
export class Relay<Result> implements StreamConsumer<Result> {
  readonly #plan: RelayPlan;
  readonly #listener: SinkListener;
  readonly #inner: LayerSink<Result>;
  readonly #spare: ArrayBuffer[] = [];

  /**
   * Creates a relay.
   *
   * @param openInner Opens the inner sink, which must call `release` with each chunk whose memory
   * can be reused.
   */
  constructor(
    plan: RelayPlan,
    listener: SinkListener,
    openInner: (release: ReleaseChunk) => LayerSink<Result>,
  ) {
    this.#plan = plan;
    this.#listener = listener;
    this.#inner = openInner(({ buffer }) => {
      if (buffer.byteLength === CHUNK_BYTES) this.#spare.push(buffer);
    });
  }

  get position(): number {
    return this.#inner.position;
  }

  async consume(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    signal: AbortSignal,
  ): Promise<Result> {
    const { records } = this.#plan;
    const seekPoints = records && new SeekPointRecorder();
    try {
      await this.#decompress(stream, signal, seekPoints);
    } catch (error) {
      if (signal.aborted) throw error;
      // The inner sink adds the entry at which the bytes end.
      return await this.#inner.close(error instanceof Error ? error : new Error(String(error)));
    }
    const closing = this.#inner.close();
    // Meanwhile, the other thread extracts the remaining entries.
    if (records !== undefined) saveSeekPoints(records.path, seekPoints?.points ?? []);
    return await closing;
  }

  async reset(): Promise<void> {
    await this.#inner.restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  /** Decompresses and verifies the layer. */
  async #decompress(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    signal: AbortSignal,
    seekPoints: SeekPointRecorder | undefined,
  ): Promise<void> {
    const { descriptor: { mediaType, digest }, diffId, limits } = this.#plan;
    using decoder = new LayerDecoder({
      ...limits,
      mediaType,
      diffId,
      seekPoints,
      layer: digest,
      onWarning: (message) => this.#listener.warn(message),
      memory: () => new Uint8Array(this.#spare.pop() ?? new ArrayBuffer(CHUNK_BYTES)),
    });
    for await (const chunk of stream) {
      for (const bytes of decoder.outputs(chunk)) {
        signal.throwIfAborted();
        const pending = this.#inner.write(bytes as Uint8Array<ArrayBuffer>);
        if (pending !== undefined) await pending;
      }
    }
    decoder.finish();
  }
}
