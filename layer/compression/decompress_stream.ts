import { pullStream } from "../tar/pull_stream.ts";
import type { DecompressOptions } from "./decompressor.ts";
import { LayerDecompressor } from "./layer_decompressor.ts";

/**
 * Decompresses a layer: gzip, zstd or plain tar, detected from the first bytes.
 *
 * Unlike the web platform's `DecompressionStream`, it supports zstd, and gzip with several members,
 * which eStargz layers have.
 *
 * Read `readable` to its end: truncation is only detected there. Its chunks are produced on demand
 * and belong to the reader. It fails with a `DecompressError` if the bytes are damaged or
 * truncated, and with a `LimitError` if the output exceeds a limit.
 *
 * @example Decompress a layer into a file
 * ```ts
 * import { DecompressStream, detectCompression } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 *
 * await Deno.writeFile("./layer.tar", layer.readable.pipeThrough(new DecompressStream()));
 *
 * assertEquals(detectCompression(await Deno.readFile("./layer.tar")), "none");
 * ```
 */
export class DecompressStream implements TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  /** The decompressed bytes. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Receives the compressed bytes. */
  readonly writable: WritableStream<Uint8Array>;

  /**
   * Creates the stream.
   *
   * @throws {RangeError} If a limit is not a number >= 0.
   */
  constructor(options: DecompressOptions = {}) {
    const decompressor = new LayerDecompressor(options);
    const { readable, writable } = pullStream<Uint8Array, Uint8Array<ArrayBuffer>>((read) =>
      decompress(decompressor, read)
    );
    this.readable = readable;
    this.writable = writable;
  }
}

async function* decompress(
  decompressor: LayerDecompressor,
  read: () => Promise<Uint8Array | undefined>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  using open = decompressor;
  for (let chunk; (chunk = await read()) !== undefined;) {
    for (const bytes of open.outputs(chunk)) {
      // Decompressed bytes are in a buffer that the decompressor reuses.
      yield open.compression === "none" ? bytes as Uint8Array<ArrayBuffer> : bytes.slice();
    }
  }
  open.finish();
}
