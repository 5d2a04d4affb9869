import { BatchReader, planBatches } from "./_batches.ts";
import type { BlobSource } from "./_read_range.ts";
import type { StoredChunk, StoredChunks } from "./_stored_chunks.ts";
import type { ContentChunk, Extent } from "./_table_entry.ts";
import { verifiedContent } from "./_verified_content.ts";

/** Consecutive chunks of a file that are read together. */
interface Run extends Extent {
  readonly chunks: readonly ContentChunk[];
  /** The same content in a layer in the store; the run is then a single chunk. */
  readonly stored?: StoredChunk | undefined;
}

export interface ContentReaderOptions {
  readonly stored: StoredChunks;
  /** Called with the size of each chunk that is taken from a layer in the store. */
  readonly onReuse: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the contents of files in order: from layers in the store as far as these have the same
 * chunks, and the rest from their own layer, with one request for adjacent parts. A chunk from the
 * store is verified like any other; if it is wrong, the layer that it comes from is not used again.
 */
export class ContentReader implements AsyncDisposable {
  readonly #layer: BlobSource;
  readonly #files: readonly (readonly Run[])[];
  readonly #options: ContentReaderOptions;
  readonly #refused = new Set<BlobSource>();
  readonly #stored = new Map<BlobSource, BatchReader<StoredChunk>>();
  #own: BatchReader<Run>;

  /**
   * Creates a reader.
   *
   * @param files The chunks of each file.
   */
  constructor(
    layer: BlobSource,
    files: readonly (readonly ContentChunk[])[],
    options: ContentReaderOptions,
  ) {
    this.#layer = layer;
    this.#files = files.map((chunks) => runsOf(chunks, options.stored));
    this.#options = options;
    this.#own = this.#plan(this.#files.flat());
  }

  /** Yields the content of each file. Read each of them to its end before the next one. */
  *contents(): Generator<AsyncIterable<Uint8Array<ArrayBuffer>>, void, void> {
    for (const number of this.#files.keys()) yield this.#content(number);
  }

  async *#content(file: number): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const runs = this.#files[file] ?? [];
    for (const [index, run] of runs.entries()) {
      const { stored } = run;
      if (stored !== undefined && !this.#own.has(run)) {
        const bytes = await this.#readStored(stored);
        if (bytes !== undefined) {
          this.#options.onReuse(bytes.length);
          yield bytes;
          continue;
        }
        this.#refused.add(stored.layer);
        const rest = [...runs.slice(index), ...this.#files.slice(file + 1).flat()];
        await this[Symbol.asyncDispose]();
        this.#own = this.#plan(rest);
      }
      yield* verifiedContent(run.chunks, this.#own.read(run), this.#layer.source);
    }
  }

  /** Reads a chunk from the store; `undefined` if it is damaged or gone. */
  async #readStored(chunk: StoredChunk): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { signal } = this.#options;
    try {
      const bytes = this.#stored.get(chunk.layer)?.read(chunk);
      if (bytes === undefined) return undefined;
      for await (const content of verifiedContent([chunk], bytes, undefined)) return content;
    } catch {
      // The chunk is fetched instead.
      signal?.throwIfAborted();
    }
    return undefined;
  }

  /** Plans the requests for the layer itself, and the reads of layers in the store. */
  #plan(runs: readonly Run[]): BatchReader<Run> {
    const { signal } = this.#options;
    const isStored = ({ stored }: Run) => {
      return stored !== undefined && !this.#refused.has(stored.layer);
    };
    const own = new BatchReader(this.#layer, planBatches(runs, isStored), signal);
    const others = runs.flatMap((run) => {
      return run.stored === undefined || own.has(run) ? [] : [run.stored];
    });
    this.#stored.clear();
    for (const [layer, chunks] of Map.groupBy(others, ({ layer }) => layer)) {
      this.#stored.set(layer, new BatchReader(layer, planBatches(chunks), signal));
    }
    return own;
  }

  /** Stops reading ahead. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of [this.#own, ...this.#stored.values()]) await reader[Symbol.asyncDispose]();
  }
}

/** Divides the chunks of a file into those that the store has, and runs of others. */
function runsOf(chunks: readonly ContentChunk[], stored: StoredChunks): readonly Run[] {
  const runs: (Run & { end: number; chunks: ContentChunk[] })[] = [];
  for (const chunk of chunks) {
    const { start, end } = chunk;
    const known = chunk.digest && stored.get(chunk.digest);
    // A wrong table can give one digest two sizes.
    const same = known?.size === chunk.size ? known : undefined;
    const last = runs.at(-1);
    if (last === undefined || last.stored !== undefined || same !== undefined) {
      // A copy, because parts are compared by identity, and two files may have the same chunk.
      runs.push({ start, end, chunks: [chunk], stored: same && { ...same } });
    } else {
      last.end = Math.max(last.end, end);
      last.chunks.push(chunk);
    }
  }
  return runs;
}
