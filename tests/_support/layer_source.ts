import type { LayerSource } from "../../layer/mod.ts";
import { digestOf, OCI_LAYER } from "../../spec/mod.ts";
import { chunked } from "./memory_content.ts";

/** Returns archives as uncompressed layers of an image, read in chunks of `chunkSize` bytes. */
export function fromLayers(
  archives: readonly Uint8Array[],
  chunkSize = 65_536,
): readonly LayerSource[] {
  return archives.map((archive) => {
    const digest = digestOf(archive);
    return {
      descriptor: { mediaType: OCI_LAYER, digest, size: archive.length },
      diffId: digest,
      compressed: () => Promise.resolve(chunked(archive, chunkSize)),
    };
  });
}
