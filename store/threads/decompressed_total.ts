import { MAX_DECOMPRESSED_BYTES } from "../../layer/compression/decompressor.ts";
import { checkLimits } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";

/**
 * Records the bytes of a layer so far, by its index. The number starts over if the layer is read
 * again.
 *
 * @throws {LimitError} If there are too many bytes in all layers.
 */
export type CountDecompressed = (index: number, bytes: number) => void;

/**
 * Limits the decompressed bytes of the layers of an image together; 0 means no limit.
 *
 * @throws {RangeError} If `maxBytes` is not a number >= 0.
 */
export function limitDecompressed(maxBytes: number = MAX_DECOMPRESSED_BYTES): CountDecompressed {
  checkLimits("decompress", { maxBytes });
  const positions: number[] = [];
  let total = 0;
  return (index, bytes) => {
    total += bytes - (positions[index] ?? 0);
    positions[index] = bytes;
    if (maxBytes === 0 || total <= maxBytes) return;
    throw new LimitError("decompressed bytes", maxBytes, total, "the image", "maxBytes");
  };
}
