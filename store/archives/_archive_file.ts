import type { BlobReadOptions } from "../../spec/image/image.ts";
import { ArchiveError } from "../errors.ts";
import { byteStream } from "../host/byte_stream.ts";

const CHUNK_BYTES = 256 * 1024;

export interface EntryRange {
  readonly offset: number;
  readonly size: number;
}

/** A file that several readers read from any offset at the same time. */
export class ArchiveFile implements Disposable {
  readonly name: string;
  readonly size: number;
  readonly #file: Deno.FsFile;
  /** Serializes readers: seeking and reading are two calls, which must not interleave. */
  #last: Promise<unknown> = Promise.resolve();

  /** Takes over an open file. */
  constructor(file: Deno.FsFile, size: number, name: string) {
    this.#file = file;
    this.size = size;
    this.name = name;
  }

  /**
   * Reads bytes into a buffer.
   *
   * @param position Offset of the first byte.
   * @returns Number of bytes read, or `null` at the end of the file.
   */
  #readAt(buffer: Uint8Array, position: number): Promise<number | null> {
    const read = this.#last.then(async () => {
      this.#file.seekSync(position, Deno.SeekMode.Start);
      return await this.#file.read(buffer);
    });
    this.#last = read.catch(() => {});
    return read;
  }

  /** Fills a buffer from an offset on. Returns the number of bytes, less at the end of the file. */
  async fill(buffer: Uint8Array, offset: number): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      const count = await this.#readAt(buffer.subarray(filled), offset + filled);
      if (count === null) break;
      filled += count;
    }
    return filled;
  }

  async bytes({ offset, size }: EntryRange): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(size);
    if (await this.fill(bytes, offset) < size) throw this.#cut();
    return bytes;
  }

  /** Opens a range as a stream, which reads on demand. */
  open(
    { offset, size }: EntryRange,
    options: Pick<BlobReadOptions, "reuseMemory" | "freeMemory" | "signal"> = {},
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { reuseMemory, freeMemory, signal } = options;
    let at = 0;
    const read = async (buffer: Uint8Array<ArrayBuffer>) => {
      signal?.throwIfAborted();
      if (at === size) return 0;
      const count = await this.#readAt(buffer.subarray(0, size - at), offset + at);
      if (count === null) throw this.#cut();
      at += count;
      return count;
    };
    const chunkBytes = Math.min(CHUNK_BYTES, Math.max(size, 1));
    return byteStream({ read }, { chunkBytes, reuseMemory, freeMemory });
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  /** Returns the error for a file that has shrunk since it was indexed. */
  #cut(): ArchiveError {
    return new ArchiveError(this.name, "damaged", "it became shorter while it was read");
  }
}
