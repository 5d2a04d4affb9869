import { onAbort } from "../../registry/tasks/abortable.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { ingestLayer, type LayerListener } from "../content/ingest_layer.ts";
import type { BlobFollower } from "../downloads/ingest_options.ts";
import type { LayerSink } from "./layer_sink.ts";

export interface FeedLayerOptions extends LayerListener {
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
  const { signal, onPosition, onRead } = options;
  const { descriptor } = layer;
  await using feed = feedSink(opening, onPosition);
  using _stop = onAbort(signal, () => void feed[Symbol.asyncDispose]());
  try {
    const { status } = await ingestLayer(store, layer, { ...options, follower: feed });
    if (status === "fetched") return await feed.result;
    // The reader of a blob verifies it.
    let bytes = 0;
    for await (const chunk of await store.openBlob(descriptor, { signal })) {
      bytes += chunk.length;
      const pending = feed.write(chunk);
      if (pending !== undefined) await pending;
      if (bytes < descriptor.size) onRead?.(descriptor, bytes);
    }
    await feed.close();
    const result = await feed.result;
    // All bytes have been verified.
    onRead?.(descriptor, bytes);
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Receives the bytes of a layer for a sink. */
interface SinkFeed<Result> extends BlobFollower, AsyncDisposable {
  /** Result of the sink, once it is closed. */
  readonly result: Promise<Result>;
}

/** Passes bytes on to a sink once it is open. */
function feedSink<Result>(
  opening: Promise<LayerSink<Result>>,
  onPosition: (position: number) => void = () => {},
): SinkFeed<Result> {
  let sink: LayerSink<Result> | undefined;
  const opened = opening.then((opened) => sink = opened);
  // The next use of the sink throws the error.
  opened.catch(() => {});
  const { promise: result, resolve } = Promise.withResolvers<Result>();
  return {
    result,
    write(chunk) {
      if (sink === undefined) return opened.then((sink) => sink.write(chunk));
      onPosition(sink.position);
      return sink.write(chunk);
    },
    async close() {
      const sink = await opened;
      resolve(await sink.close());
      onPosition(sink.position);
    },
    restart: async () => await (await opened).restart(),
    async [Symbol.asyncDispose]() {
      const sink = await opened.catch(() => undefined);
      await sink?.[Symbol.asyncDispose]();
    },
  };
}
