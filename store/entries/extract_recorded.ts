import { type SeekPoint, SeekPointRecorder } from "../../layer/compression/seek_points.ts";
import { type ExtractLayerOptions, extractStream } from "../../layer/extraction/extract_layer.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import type { FileTree } from "../../layer/trees/file_tree.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { replaceSealed } from "./_sealed_file.ts";
import { EntryRecorder } from "./entry_recorder.ts";
import { encodeSeekPoints } from "./seek_file.ts";

/** Destination of the records of a layer; plain data, which can be sent to a thread. */
export interface RecordPlan {
  /** Path of the records, which the first reader replaces with an index. */
  readonly path: string;
  /** Digest of the layer's archive. */
  readonly diffId: Digest;
}

/** A layer to extract; plain data. */
export interface LayerInput {
  readonly descriptor: Descriptor;
  /** Expected digest of the archive; `undefined` if another thread verifies it. */
  readonly diffId?: Digest | undefined;
  /** Where to record its entries and seek points; `undefined` if nothing is to be recorded. */
  readonly records?: RecordPlan | undefined;
  /** Whether another thread has decompressed the bytes. */
  readonly isDecompressed?: boolean | undefined;
}

/**
 * Extracts a layer, and records what speeds up later reads of it: its entries, and points at which
 * decompression can start.
 *
 * Nothing depends on these files, so failures to write them are ignored, and they are not synced. The
 * digest in a file detects damage by a power failure.
 */
export async function extractRecorded(
  stream: ReadableStream<Uint8Array>,
  root: string | FileTree,
  { descriptor, diffId, records, isDecompressed = false }: LayerInput,
  options: ExtractLayerOptions,
): Promise<ExtractReport> {
  const recorder = records && new EntryRecorder();
  const seekPoints = records && !isDecompressed ? new SeekPointRecorder() : undefined;
  const { handler } = options;
  const { report } = await extractStream(stream, root, {
    ...options,
    layer: descriptor.digest,
    layerBytes: descriptor.size,
    mediaType: isDecompressed ? undefined : descriptor.mediaType,
    diffId,
    seekPoints,
    handler: (header: TarHeader) => {
      recorder?.add(header);
      return handler === undefined ? header : handler(header);
    },
  });
  if (records !== undefined && recorder !== undefined) {
    saveSeekPoints(records.path, seekPoints?.points ?? []);
    const entries = recorder.finish(records.diffId);
    if (entries !== undefined) replaceSealed(records.path, entries);
  }
  return report;
}

/** Writes the seek points of a layer, if it has any. */
export function saveSeekPoints(path: string, points: readonly SeekPoint[]): void {
  if (points.length > 0) replaceSealed(`${path}.seek`, encodeSeekPoints(points));
}
