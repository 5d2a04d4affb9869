import { onAbort } from "../../registry/tasks/abortable.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { ingestLayer, type LayerListener } from "../content/ingest_layer.ts";
import type { LayerSink } from "./layer_sink.ts";

/** Options for {@linkcode feedLayer}. */
export interface FeedLayerOptions extends LayerListener {
  /** Aborts the work. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the position in the archive. An error that it throws stops the work. */
  readonly onPosition?: ((position: number) => void) | undefined;
}

/**
 * Writes a layer to a sink: as it is downloaded into the store or, if the store already has it, from
 * its blob. Either way, the bytes are verified. Disposes of the sink.
 *
 * @param opening The sink, which may still be waiting for its thread.
 */
export async function feedLayer<Result>(
  store: ContentStore,
  layer: RemoteLayer,
  opening: Promise<LayerSink<Result>>,
  options: FeedLayerOptions,
): Promise<Result> {
  const { signal, onPosition } = options;
  await using feed = new SinkFeed(opening, onPosition);
  using _stop = onAbort(signal, () => void feed[Symbol.asyncDispose]());
  try {
    const { status } = await ingestLayer(store, layer, { ...options, follower: feed });
    if (status === "fetched") return await feed.result;
    // The reader of a blob verifies it.
    for await (const chunk of await store.openBlob(layer.descriptor, { signal })) {
      const pending = feed.write(chunk);
      if (pending !== undefined) await pending;
    }
    await feed.close();
    return await feed.result;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Passes bytes on to a sink once it is open. */
class SinkFeed<Result> implements AsyncDisposable {
  readonly #opening: Promise<LayerSink<Result>>;
  readonly #onPosition: (position: number) => void;
  readonly #result = Promise.withResolvers<Result>();
  #sink: LayerSink<Result> | undefined;

  constructor(
    opening: Promise<LayerSink<Result>>,
    onPosition: (position: number) => void = () => {},
  ) {
    this.#opening = opening.then((sink) => this.#sink = sink);
    // The next use of the sink throws the error.
    this.#opening.catch(() => {});
    this.#onPosition = onPosition;
  }

  /** Result of the sink, once it is closed. */
  get result(): Promise<Result> {
    return this.#result.promise;
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    if (this.#sink === undefined) return this.#opening.then((sink) => sink.write(chunk));
    this.#onPosition(this.#sink.position);
    return this.#sink.write(chunk);
  }

  async close(): Promise<void> {
    const sink = await this.#opening;
    this.#result.resolve(await sink.close());
    this.#onPosition(sink.position);
  }

  async restart(): Promise<void> {
    await (await this.#opening).restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sink = await this.#opening.catch(() => undefined);
    await sink?.[Symbol.asyncDispose]();
  }
}
