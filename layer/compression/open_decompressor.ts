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
 * @example Compute the DiffID of a layer while it arrives
 * ```ts
 * import { openDecompressor } from "@x/oci/layer";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { Digester } from "@x/oci/spec";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const { layers: [layer] } = await client.image(parseReference("alpine:3.20"));
 * assert(layer !== undefined);
 *
 * using decompressor = openDecompressor();
 * const digester = new Digester();
 * const update = (bytes: Uint8Array) => digester.update(bytes);
 * for await (const chunk of await layer.compressed()) decompressor.push(chunk, update);
 * decompressor.finish();
 *
 * assertEquals(digester.digest(), layer.diffId);
 * ```
 */
export function openDecompressor(options: DecompressorOptions = {}): Decompressor {
  return new LayerDecompressor(options);
}
