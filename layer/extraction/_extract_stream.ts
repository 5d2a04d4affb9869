import { LayerPipeline } from "./_layer_pipeline.ts";
import type { ExtractLayerOptions } from "./extract_layer.ts";
import type { ExtractReport } from "./extract_report.ts";
import { LayerExtractor } from "./extractor.ts";
import type { FileTree } from "../trees/file_tree.ts";

/** What came out of a stream. */
export interface ExtractedStream {
  readonly report: ExtractReport;
  /** Size of the decompressed archive. */
  readonly archiveBytes: number;
}

/** Extracts one layer into an open tree. */
export async function extractStream(
  stream: ReadableStream<Uint8Array>,
  tree: FileTree,
  options: ExtractLayerOptions,
): Promise<ExtractedStream> {
  const { signal, descriptor } = options;
  const layer = options.layer ?? descriptor?.digest;
  const named = layer === undefined ? options : { ...options, layer };
  using extractor = new LayerExtractor(tree, named);
  using pipeline = new LayerPipeline(extractor, named);
  const reader = stream.getReader();
  const rest = readAll(reader, signal);
  try {
    try {
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        const pending = pipeline.push(next.value);
        if (pending !== undefined) await pending;
      }
      await pipeline.finish();
    } catch (error) {
      throw await pipeline.explain(error, rest);
    }
    return { report: extractor.finish(), archiveBytes: pipeline.bytesOut };
  } catch (error) {
    await reader.cancel(error).catch(() => {
      // The stream may have failed itself; its error is the one that is thrown.
    });
    throw error;
  } finally {
    reader.releaseLock();
  }
}

/** The chunks of a stream; unlike its own iterator it does not cancel it when a caller stops. */
async function* readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  while (true) {
    signal?.throwIfAborted();
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}
