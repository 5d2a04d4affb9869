import { DecompressError } from "../../layer/compression/decompress_error.ts";
import { openDecompressor } from "../../layer/compression/layer_decompressor.ts";
import { digestOf } from "../../spec/digest.ts";
import { type Expectation, verifyBytes } from "../../spec/verifier.ts";
import type { ContentChunk } from "./_table_entry.ts";

/**
 * Decompresses consecutive chunks of a file and verifies each of them before it is passed on.
 *
 * @param chunks The chunks.
 * @param compressed The bytes of the blob from the start of the first chunk on.
 * @param source Origin of the bytes in errors.
 * @throws {DigestMismatchError} If some bytes are missing or wrong.
 */
export async function* verifiedContent(
  chunks: readonly ContentChunk[],
  compressed: AsyncIterable<Uint8Array>,
  source: string | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  using decompressor = openDecompressor({ maxBytes: 0 });
  const skip = chunks[0]?.skip ?? 0;
  let skipped = 0;
  const remaining = chunks.values();
  const openNext = () => {
    const { value } = remaining.next();
    return value && new ChunkBuffer(value, source);
  };
  let chunk = openNext();
  try {
    for await (const bytes of compressed) {
      for (const output of decompressor.outputs(bytes)) {
        const ignored = Math.min(skip - skipped, output.length);
        skipped += ignored;
        for (let at = ignored; at < output.length && chunk !== undefined;) {
          at += chunk.push(output.subarray(at));
          if (!chunk.isFull) continue;
          yield await chunk.verified();
          chunk = openNext();
        }
        if (chunk === undefined) return;
      }
    }
  } catch (error) {
    // The digest of an incomplete chunk is wrong, which explains the damage.
    if (error instanceof DecompressError) await chunk?.verified();
    throw error;
  }
  await chunk?.verified();
}

/** Collects the bytes of a chunk, because none may be passed on before all are verified. */
class ChunkBuffer {
  readonly #expected: Required<Expectation>;
  readonly #source: string | undefined;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #size = 0;

  constructor(
    { size, digest = digestOf(new Uint8Array(size)) }: ContentChunk,
    source: string | undefined,
  ) {
    this.#expected = { digest, size };
    this.#source = source;
    this.#bytes = new Uint8Array(size);
  }

  get isFull(): boolean {
    return this.#size === this.#bytes.length;
  }

  /** Adds the bytes that still belong to the chunk, and returns their number. */
  push(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#bytes.length - this.#size);
    this.#bytes.set(taken, this.#size);
    this.#size += taken.length;
    return taken.length;
  }

  /**
   * Returns the bytes.
   *
   * @throws {DigestMismatchError} If some are missing or wrong.
   */
  async verified(): Promise<Uint8Array<ArrayBuffer>> {
    await verifyBytes(this.#bytes.subarray(0, this.#size), this.#expected, this.#source);
    return this.#bytes;
  }
}
