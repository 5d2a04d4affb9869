import { MAX_DECOMPRESSED_BYTES } from "../../layer/compression/decompressor.ts";
import { LimitError } from "../../spec/errors.ts";

/** Limits the decompressed bytes of the layers of an image together. */
export class DecompressedTotal {
  readonly #maxBytes: number;
  /** Bytes of each layer so far, by its index. */
  readonly #positions: number[] = [];
  #total = 0;

  /** Creates a total; 0 means no limit. */
  constructor(maxBytes: number = MAX_DECOMPRESSED_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Records the bytes of a layer so far. The number starts over if the layer is read again.
   *
   * @throws {LimitError} If there are too many bytes in all layers.
   */
  record(index: number, bytes: number): void {
    this.#total += bytes - (this.#positions[index] ?? 0);
    this.#positions[index] = bytes;
    if (this.#maxBytes === 0 || this.#total <= this.#maxBytes) return;
    throw new LimitError(
      "decompressed bytes",
      this.#maxBytes,
      this.#total,
      "the image",
      "maxBytes",
    );
  }
}
