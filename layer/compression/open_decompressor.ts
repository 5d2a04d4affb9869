import { LayerDecompressor } from "./_layer_decompressor.ts";
import type { Decompressor, DecompressorOptions } from "./decompressor.ts";

/**
 * Creates a decompressor for a layer: gzip with any number of members, including eStargz; zstd with
 * any number of frames, including zstd:chunked; or an uncompressed tar archive. The format is
 * detected from the first bytes.
 *
 * `DecompressStream` does the same for Web streams.
 *
 * @param options Limits and the media type of the layer.
 * @returns The decompressor.
 *
 * @example Decompress bytes in memory
 * ```ts
 * import { openDecompressor } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const archive = new Blob([new Uint8Array(1024)]).stream();
 * const layer = await new Response(archive.pipeThrough(new CompressionStream("gzip"))).bytes();
 * let size = 0;
 * using decompressor = openDecompressor();
 * const count = (bytes: Uint8Array) => {
 *   size += bytes.length;
 * };
 * await decompressor.push(layer, count);
 * await decompressor.finish();
 *
 * assertEquals(size, 1024);
 * ```
 */
export function openDecompressor(options: DecompressorOptions = {}): Decompressor {
  return new LayerDecompressor(options);
}
