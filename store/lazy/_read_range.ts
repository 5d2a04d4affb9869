import { eitherSignal } from "../../registry/tasks/abortable.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import { TableError } from "./_table_entry.ts";

/** A blob of which parts are read. */
export type BlobSource = Pick<RemoteLayer, "descriptor" | "compressed" | "source">;

/** Reads a part of a layer as a stream. Fails if the server does not support ranges. */
export async function* openRange(
  layer: BlobSource,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const refused = new AbortController();
  const stream = await layer.compressed({
    offset: start,
    length: end - start,
    raw: true,
    reuseMemory: true,
    signal: eitherSignal(signal, refused.signal),
    onAnswer: ({ isPartial }) => {
      const isWhole = start === 0 && end === layer.descriptor.size;
      if (!isPartial && !isWhole) {
        refused.abort(new TableError("the server does not support ranges"));
      }
    },
  });
  let left = end - start;
  for await (const chunk of stream) {
    refused.signal.throwIfAborted();
    const wanted = chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= wanted.length;
    yield wanted;
    if (left === 0) return;
  }
}

/** Reads a part of a layer into memory. */
export async function readRange(
  layer: BlobSource,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - start);
  let size = 0;
  for await (const chunk of openRange(layer, start, end, signal)) {
    bytes.set(chunk, size);
    size += chunk.length;
  }
  if (size < bytes.length) throw new TableError("the layer is shorter than its descriptor says");
  return bytes;
}
