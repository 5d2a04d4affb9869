import { LayerDecompressor } from "./_layer_decompressor.ts";
import { pullStream } from "../tar/pull_stream.ts";
import { hasSyncCodec } from "./_sync_codec.ts";
import type { DecompressOptions } from "./decompressor.ts";

/**
 * Decompresses a layer on its way: gzip, zstd or plain tar, told apart by the first bytes.
 *
 * The web platform's own `DecompressionStream` refuses gzip of several members, which eStargz
 * layers are, and knows no zstd.
 *
 * `readable` must be read to its end: only there it is known that nothing is missing. It makes
 * its chunks as they are asked for, and they are the reader's own. It fails with a
 * `DecompressError` if the bytes are damaged or cut short, and with a `LimitError` if there are
 * more than the limits allow.
 *
 * @example Read a layer whose compression is not known
 * ```ts
 * import { DecompressStream } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = new Blob([new Uint8Array(1024)]).stream()
 *   .pipeThrough(new CompressionStream("gzip"));
 *
 * const archive = await new Response(layer.pipeThrough(new DecompressStream())).bytes();
 *
 * assertEquals(archive.length, 1024);
 * ```
 */
export class DecompressStream implements TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  readonly #readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #writable: WritableStream<Uint8Array>;

  /** Creates the stage from limits and from what is known of the layer. */
  constructor(options: DecompressOptions = {}) {
    const decompressor = new LayerDecompressor(options, hasSyncCodec());
    const { readable, writable } = pullStream(decompress.bind(undefined, decompressor));
    this.#readable = readable;
    this.#writable = writable;
  }

  /** The decompressed bytes. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable;
  }

  /** Takes the compressed bytes. */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable;
  }
}

async function* decompress(
  decompressor: LayerDecompressor,
  read: () => Promise<Uint8Array | undefined>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  using open = decompressor;
  for (let chunk; (chunk = await read()) !== undefined;) {
    for await (const bytes of open.outputs(chunk)) {
      // The decompressor uses its buffer again; the bytes of a tar archive are the chunk's own.
      yield open.compression === "none" ? bytes as Uint8Array<ArrayBuffer> : bytes.slice();
    }
  }
  await open.finish();
}
