import { MAX_DECOMPRESSED_BYTES } from "../../layer/compression/decompressor.ts";
import { LimitError } from "../../spec/errors.ts";

/**
 * Records the bytes of a layer so far, by its index. The number starts over if the layer is read
 * again.
 *
 * @throws {LimitError} If there are too many bytes in all layers.
 */
export type CountDecompressed = (index: number, bytes: number) => void;

/** Limits the decompressed bytes of the layers of an image together; 0 means no limit. */
export function limitDecompressed(maxBytes: number = MAX_DECOMPRESSED_BYTES): CountDecompressed {
  const positions: number[] = [];
  let total = 0;
  return (index, bytes) => {
    total += bytes - (positions[index] ?? 0);
    positions[index] = bytes;
    if (maxBytes === 0 || total <= maxBytes) return;
    throw new LimitError("decompressed bytes", maxBytes, total, "the image", "maxBytes");
  };
}
