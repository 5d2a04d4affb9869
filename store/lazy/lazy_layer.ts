import { DecompressError } from "../../layer/compression/decompress_error.ts";
import { TarError } from "../../layer/tar/tar_error.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { describeError } from "../../spec/error_facts.ts";
import { DigestMismatchError, LimitError, OciError } from "../../spec/errors.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import { planBatches } from "./_batches.ts";
import { ContentReader } from "./_content_reader.ts";
import { fetchTable } from "./_fetch_table.ts";
import { findStoredChunks } from "./_stored_chunks.ts";
import { type ContentChunk, type TableEntry, TableError } from "./_table_entry.ts";
import { hasTable } from "./has_table.ts";

export interface LazyLayerOptions {
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
  readonly #store: ContentStore;
  readonly #entries: readonly TableEntry[];
  #reusedBytes = 0;

  private constructor(layer: RemoteLayer, store: ContentStore, entries: readonly TableEntry[]) {
    this.#layer = layer;
    this.#store = store;
    this.#entries = entries;
  }

  /**
   * Fetches the table of contents of a layer.
   *
   * @param store Store whose layers may have the same chunks.
   * @returns The layer; `undefined` if it has no table, or the table is invalid.
   */
  static async open(
    layer: RemoteLayer,
    store: ContentStore,
    options: LazyLayerOptions = {},
  ): Promise<LazyLayer | undefined> {
    const { signal, onWarning } = options;
    // A layer without connections is local, so reading all of it takes no request.
    if (layer.connections === undefined || !hasTable(layer)) return undefined;
    try {
      const { entries } = await fetchTable(layer, signal);
      return new LazyLayer(layer, store, entries);
    } catch (error) {
      signal?.throwIfAborted();
      if (!isUnusable(error)) throw error;
      onWarning?.(
        `Reading the whole layer ${layer.descriptor.digest} because its table of contents cannot ` +
          `be used: ${describeError(error)}`,
      );
      return undefined;
    }
  }

  /** Number of bytes of contents that were taken from other layers in the store. */
  get reusedBytes(): number {
    return this.#reusedBytes;
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
    for await (const content of this.contents([number], signal)) yield* content;
  }

  /**
   * Returns the number of bytes to fetch for the contents of files, if the store has none of them.
   *
   * @param numbers Numbers of their entries, in ascending order.
   */
  bytesOf(numbers: readonly number[]): number {
    const chunks = numbers.flatMap((number) => this.#chunksOf(number));
    return planBatches(chunks).reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /**
   * Returns the number of bytes to decompress for the content of a file, including those before it.
   */
  decompressedBytes(number: number): number {
    const [first] = this.#chunksOf(number);
    return first === undefined ? 0 : first.skip + (this.#entries[number]?.header.size ?? 0);
  }

  /**
   * Fetches the contents of files in order, with one request for adjacent ones. Read each of them to
   * its end before the next one. Chunks that a layer in the store has are read from there.
   *
   * @param numbers Numbers of their entries, in ascending order.
   * @throws {DigestMismatchError} If the content of a file does not match the table.
   */
  async *contents(
    numbers: readonly number[],
    signal?: AbortSignal,
  ): AsyncGenerator<AsyncIterable<Uint8Array<ArrayBuffer>>, void, void> {
    const files = numbers.map((number) => this.#chunksOf(number));
    const stored = await findStoredChunks(this.#store, files.flat(), signal);
    await using reader = new ContentReader(this.#layer, files, {
      stored,
      signal,
      onReuse: (bytes) => this.#reusedBytes += bytes,
    });
    for (const content of reader.contents()) yield this.#explained(content);
  }

  #chunksOf(number: number): readonly ContentChunk[] {
    return this.#entries[number]?.chunks ?? [];
  }

  /** Explains a layer that cannot be read in parts. */
  async *#explained(
    content: AsyncIterable<Uint8Array<ArrayBuffer>>,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    try {
      yield* content;
    } catch (error) {
      if (!(error instanceof TableError)) throw error;
      const { digest } = this.#layer.descriptor;
      throw new OciError(error.message, {
        action: `read a file of the layer ${digest}`,
        subject: digest,
        advice: "Pull the image first",
        cause: error,
      });
    }
  }
}

/** Whether an error only means that the table is unusable, so that the whole layer is read. */
function isUnusable(error: unknown): error is Error {
  return error instanceof TableError || error instanceof DigestMismatchError ||
    error instanceof DecompressError || error instanceof TarError || error instanceof LimitError;
}
