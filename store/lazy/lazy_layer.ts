import { DecompressError } from "../../layer/compression/decompress_error.ts";
import { openDecompressor } from "../../layer/compression/open_decompressor.ts";
import { TarError } from "../../layer/tar/tar_error.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { digestOf } from "../../spec/digest.ts";
import { DigestMismatchError, LimitError, OciError } from "../../spec/errors.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import { eitherSignal } from "../../registry/tasks/abortable.ts";
import { type Expectation, verifyBytes } from "../../spec/verifier.ts";
import { type Batch, planBatches } from "./_batches.ts";
import { fetchTable } from "./_fetch_table.ts";
import { openRange, readRange } from "./_read_range.ts";
import {
  type ContentChunk,
  type ContentExtent,
  type TableEntry,
  TableError,
} from "./_table_entry.ts";
import { hasTable } from "./has_table.ts";

/** Number of batches of contents to fetch at once. */
const BATCHES_AHEAD = 4;

/** Options for {@linkcode LazyLayer.open}. */
export interface LazyLayerOptions {
  /** Aborts the work. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the reason if the table of contents of a layer cannot be used. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * A layer in a registry whose manifest has the digest of its table of contents (eStargz or
 * zstd:chunked). Fetches the table and the contents of single files, but never the whole layer.
 *
 * The digest in the manifest verifies the table, and digests in the table verify each chunk of a
 * file. The DiffID, which covers the whole archive, is not compared.
 */
export class LazyLayer {
  /** Unit of the offsets of entries. */
  readonly offsetUnit = "entry" as const;
  readonly #layer: RemoteLayer;
  readonly #entries: readonly TableEntry[];

  private constructor(layer: RemoteLayer, entries: readonly TableEntry[]) {
    this.#layer = layer;
    this.#entries = entries;
  }

  /**
   * Fetches the table of contents of a layer.
   *
   * @returns The layer; `undefined` if it has no table, or the table is invalid.
   */
  static async open(
    layer: RemoteLayer,
    options: LazyLayerOptions = {},
  ): Promise<LazyLayer | undefined> {
    const { signal, onWarning } = options;
    // A layer without connections is local, so reading all of it takes no request.
    if (layer.connections === undefined || !hasTable(layer)) return undefined;
    try {
      return new LazyLayer(layer, await fetchTable(layer, signal));
    } catch (error) {
      signal?.throwIfAborted();
      if (!isUnusable(error)) throw error;
      onWarning?.(
        `Reading the whole layer ${layer.descriptor.digest} because its table of contents cannot ` +
          `be used: ${error.message}`,
      );
      return undefined;
    }
  }

  /** Returns the entries of the layer. Their offsets are their numbers in the table. */
  *headers(): Generator<TarHeader, void, void> {
    for (const { header } of this.#entries) yield header;
  }

  /**
   * Fetches the content of a file and verifies it, chunk by chunk.
   *
   * @throws {DigestMismatchError} If the content does not match the table.
   */
  async *content(
    number: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const range = this.#entries[number]?.content;
    if (range === undefined) return;
    yield* this.#verified(range, openRange(this.#layer, range.start, range.end, signal));
  }

  /**
   * Returns the number of bytes to fetch for the contents of files.
   *
   * @param numbers Numbers of their entries, in ascending order.
   */
  bytesOf(numbers: readonly number[]): number {
    return planBatches(this.#entries, numbers).reduce(
      (sum, { start, end }) => sum + end - start,
      0,
    );
  }

  /**
   * Returns the number of bytes to decompress for the content of a file, including those before it.
   */
  decompressedBytes(number: number): number {
    const entry = this.#entries[number];
    return entry?.content === undefined ? 0 : entry.content.skip + entry.header.size;
  }

  /**
   * Fetches the contents of files in order, with one request for adjacent ones. Read each of them to
   * its end before the next one.
   *
   * @param numbers Numbers of their entries, in ascending order.
   * @throws {DigestMismatchError} If the content of a file does not match the table.
   */
  async *contents(
    numbers: readonly number[],
    signal?: AbortSignal,
  ): AsyncGenerator<AsyncIterable<Uint8Array<ArrayBuffer>>, void, void> {
    const stopped = new AbortController();
    const either = eitherSignal(signal, stopped.signal);
    const batches = planBatches(this.#entries, numbers);
    const fetched = batches.map((): Promise<Uint8Array> | undefined => undefined);
    try {
      for (const [index, batch] of batches.entries()) {
        for (const [i, next] of batches.slice(index, index + BATCHES_AHEAD).entries()) {
          fetched[index + i] ??= this.#fetch(next, either);
        }
        const bytes = await fetched[index]?.catch((error) => {
          throw error instanceof TableError ? this.#unreadable(error) : error;
        });
        fetched[index] = undefined;
        for (const number of batch.numbers) {
          const range = this.#entries[number]?.content;
          if (range === undefined || bytes === undefined) yield this.content(number, either);
          else {
            const own = bytes.subarray(range.start - batch.start, range.end - batch.start);
            yield this.#verified(range, [own]);
          }
        }
      }
    } finally {
      stopped.abort();
      await Promise.allSettled(fetched);
    }
  }

  /** Fetches a batch; `undefined` if it is empty or too large to hold in memory. */
  #fetch({ start, end, isLarge }: Batch, signal: AbortSignal): Promise<Uint8Array> | undefined {
    if (isLarge || start === end) return undefined;
    const bytes = readRange(this.#layer, start, end, signal);
    // The error is thrown when it is the batch's turn.
    bytes.catch(() => {});
    return bytes;
  }

  /** Decompresses the content of a file and verifies it, chunk by chunk. */
  async *#verified(
    { skip, chunks }: ContentExtent,
    compressed: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    using decompressor = openDecompressor({ maxBytes: 0 });
    const source = this.#layer.source;
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
      if (error instanceof TableError) throw this.#unreadable(error);
      // The digest of an incomplete chunk is wrong, which explains the damage.
      if (error instanceof DecompressError) await chunk?.verified();
      throw error;
    }
    await chunk?.verified();
  }

  #unreadable(error: TableError): OciError {
    const { digest } = this.#layer.descriptor;
    return new OciError(error.message, {
      action: `read a file of the layer ${digest}`,
      subject: digest,
      advice: "Pull the image first",
      cause: error,
    });
  }
}

/** Whether an error only means that the table is unusable, so that the whole layer is read. */
function isUnusable(error: unknown): error is Error {
  return error instanceof TableError || error instanceof DigestMismatchError ||
    error instanceof DecompressError || error instanceof TarError || error instanceof LimitError;
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
