import { LayerDecompressor } from "./_layer_decompressor.ts";
import { hasSyncCodec } from "./_sync_codec.ts";
import type { Decompressor, DecompressorOptions } from "./decompressor.ts";

/**
 * Starts to decompress a layer: gzip with any number of members, zstd with any number of frames,
 * or a tar archive that is not compressed, told apart by their first bytes. eStargz and
 * zstd:chunked layers are gzip and zstd.
 *
 * `DecompressStream` is the same for Web streams.
 *
 * @param options Limits, and what is known of the layer.
 * @returns What takes the bytes.
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
  return new LayerDecompressor(options, hasSyncCodec());
}
