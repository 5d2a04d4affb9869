import type { TarHeader, TarSink } from "../../layer/tar/tar_header.ts";
import { TarParser } from "../../layer/tar/tar_parser.ts";
import type { ArchiveBytes } from "./archive_reader.ts";
import { skipBytes } from "./archive_reader.ts";

const HOLE_BYTES = 65_536;

/** Opens the archive of a layer at an offset. */
export interface ContentSource {
  /** Opens the archive at an offset; `undefined` if it can only be read from the start. */
  readonly seek: (offset: number) => Promise<ArchiveBytes | undefined>;
  /** Opens it from its start, verified as it is read. */
  readonly whole: () => Promise<ArchiveBytes>;
  /** Aborts the reading. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the content of a file of a layer, with holes as zeros.
 *
 * @param source The archive of the layer.
 * @param offset Offset of the header of the file.
 * @param size Size of the file.
 */
export async function* readEntry(
  source: ContentSource,
  offset: number,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let done = 0;
  const bytes = await source.seek(offset);
  if (bytes !== undefined) {
    try {
      for await (const chunk of contentOf(bytes, size)) {
        done += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (source.signal?.aborted) throw error;
      // Other than expected, such as a second member of gzip data: the whole layer decides.
    }
  }
  const archive = skipBytes(await source.whole(), offset);
  yield* skipBytes(contentOf(archive, size), done);
}

/** Reads the content of the first file of an archive. */
async function* contentOf(archive: ArchiveBytes, size: number): ArchiveBytes {
  const content = new EntryContent(size);
  const parser = new TarParser(content);
  for await (const chunk of archive) {
    parser.push(chunk);
    yield* content.take();
    if (content.isComplete) return;
  }
  throw new Error("Cannot read a file of a layer: the archive ends before it does");
}

/** Extracts the content of the first entry of an archive. */
class EntryContent implements TarSink {
  /** Whether the entry has been read completely. */
  isComplete = false;
  readonly #size: number;
  /** Offset up to which the content has been read. */
  #end = 0;
  /** Chunks of bytes, and sizes of holes. */
  #pieces: (Uint8Array | number)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  entry({ type, size }: TarHeader): void {
    if (this.isComplete || (type === "file" && size === this.#size)) return;
    throw new Error("Cannot read a file of a layer: its index and its archive differ");
  }

  data(chunk: Uint8Array, position: number): void {
    if (this.isComplete) return;
    this.#pieces.push(position - this.#end, chunk);
    this.#end = position + chunk.length;
  }

  end(): void {
    if (this.isComplete) return;
    this.#pieces.push(this.#size - this.#end);
    this.isComplete = true;
  }

  /** Returns the content read since the last call. */
  *take(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (const piece of this.#pieces) {
      if (typeof piece !== "number") {
        yield piece as Uint8Array<ArrayBuffer>;
        continue;
      }
      for (let left = piece; left > 0; left -= HOLE_BYTES) {
        yield new Uint8Array(Math.min(HOLE_BYTES, left));
      }
    }
    this.#pieces = [];
  }
}
