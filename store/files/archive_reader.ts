import {
  inflateFrom,
  inflateStart,
  seekStart,
  SPAN_BYTES,
} from "../../layer/compression/seek_points.ts";
import { layerMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import { verifiedTarball } from "../content/tarballs.ts";
import { seekPointBefore } from "../entries/layer_entries.ts";
// Nearly always needed here. Loading it with this module saves a later import.
import "../entries/seek_file.ts";
import { openRegularFile } from "../host/open_regular_file.ts";
import type { Layer } from "../images/image.ts";

/** The bytes of an archive from an offset on. */
export type ArchiveBytes = AsyncIterable<Uint8Array<ArrayBuffer>>;

/** Size of the first chunk, which is small because most files are small. Later ones double. */
const FIRST_CHUNK_BYTES = 65_536;
const MAX_CHUNK_BYTES = 262_144;

/**
 * Opens the archive of a layer at an offset without decompressing the bytes before it: in a
 * decompressed copy, or at the last seek point. The first bytes of a blob come before any such point,
 * and are decompressed from its start. The blob must have been verified.
 *
 * An extracted layer is not used, because its files may have changed since they were verified.
 *
 * @param offset Offset of the first byte in the archive.
 * @returns The bytes, which may end early with an error; `undefined` if the whole layer must be
 * read.
 */
export async function openArchive(
  store: ContentStore,
  layer: Layer,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<ArchiveBytes | undefined> {
  const { digest, diffId } = layer;
  const copy = digest === diffId ? store.blobPath(digest) : verifiedTarball(store, diffId);
  if (copy !== undefined) return readFrom(copy, offset, signal);
  const blob = (start: number) => readFrom(store.blobPath(digest), start, signal);
  const point = await seekPointBefore(store, digest, offset);
  if (point !== undefined) {
    return skipBytes(inflateFrom(point, blob(seekStart(point))), offset - point.offset);
  }
  const isNear = offset < SPAN_BYTES && layerMediaType(layer.mediaType)?.compression === "gzip";
  return isNear ? skipBytes(inflateStart(blob(0)), offset) : undefined;
}

/** Reads a file from an offset on. A Web stream would take longer to set up than a small file. */
async function* readFrom(
  path: string,
  offset: number,
  signal: AbortSignal | undefined,
): ArchiveBytes {
  using opened = openRegularFile(path, { foreign: true });
  if (opened === undefined) {
    throw new Deno.errors.NotFound(`Cannot read "${path}": there is no such file`);
  }
  const { file } = opened;
  await file.seek(offset, Deno.SeekMode.Start);
  for (let size = FIRST_CHUNK_BYTES;; size = Math.min(2 * size, MAX_CHUNK_BYTES)) {
    signal?.throwIfAborted();
    const chunk = new Uint8Array(size);
    const count = await file.read(chunk);
    if (count === null) return;
    yield chunk.subarray(0, count);
  }
}

/** Drops the first bytes. */
export async function* skipBytes(chunks: ArchiveBytes, count: number): ArchiveBytes {
  let left = count;
  for await (const chunk of chunks) {
    const skipped = Math.min(left, chunk.length);
    left -= skipped;
    if (skipped < chunk.length) yield chunk.subarray(skipped);
  }
}
