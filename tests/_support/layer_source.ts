import { digestOf, OCI_LAYER } from "../../spec/mod.ts";
import type { LayerSource } from "../../layer/mod.ts";

/** Archives as layers of an image that are not compressed; chunks of `chunkSize` bytes. */
export function fromLayers(
  archives: readonly Uint8Array[],
  chunkSize = 65_536,
): readonly LayerSource[] {
  return archives.map((archive) => {
    const digest = digestOf(archive);
    return {
      descriptor: { mediaType: OCI_LAYER, digest, size: archive.length },
      diffId: digest,
      compressed: () => Promise.resolve(inChunks(archive, chunkSize)),
    };
  });
}

function inChunks(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}
