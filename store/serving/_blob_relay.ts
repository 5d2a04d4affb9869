import type { ContentRange } from "../../registry/server/registry_content.ts";
import type { BlobFollower } from "../downloads/ingest_options.ts";
import { byteStream } from "../host/byte_stream.ts";
import { openRegularFile, type ReadableFile } from "../host/open_regular_file.ts";

const CHUNK_BYTES = 256 * 1024;

export interface BlobRelayOptions {
  readonly size: number;
  /** Paths of its bytes: first while it is downloaded, then when it is stored. */
  readonly paths: readonly [part: string, blob: string];
  /** Called when the last reader has canceled its stream before the blob was stored. */
  readonly onAbandoned: () => void;
}

/**
 * Passes the bytes of a blob to any number of readers while it is downloaded into a store. Each
 * reads the part file at its own speed, so a slow reader delays neither the download nor the other
 * readers, and no bytes are held in memory.
 *
 * The last byte that a reader requests is held back until the blob is verified and stored, so a
 * reader that counts bytes, such as an HTTP client, never accepts a corrupt blob as complete.
 */
export class BlobRelay implements BlobFollower {
  readonly reusesMemory = true;
  /** Resolves when the first bytes have arrived; rejects if the download fails before that. */
  readonly ready: Promise<void>;
  readonly #options: BlobRelayOptions;
  readonly #readers = new Set<RelayReader>();
  readonly #ready = Promise.withResolvers<void>();
  /** Number of bytes that have arrived in order. The file may not have the last of them yet. */
  #arrived = 0;
  #isStored = false;
  #failure: { readonly error: unknown } | undefined;
  /** Resolves with the next change. */
  #change = Promise.withResolvers<void>();

  constructor(options: BlobRelayOptions) {
    this.#options = options;
    this.ready = this.#ready.promise;
    // Without a reader, nothing awaits it.
    this.ready.catch(() => {});
  }

  /** Whether bytes have arrived. */
  get hasStarted(): boolean {
    return this.#arrived > 0;
  }

  /**
   * Returns the bytes of the blob, or of a range of it.
   *
   * @param range The range; the whole blob if `undefined`.
   */
  read(range: ContentRange | undefined): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { size, paths } = this.#options;
    const start = range?.offset ?? 0;
    const end = Math.min(size, range === undefined ? size : start + range.length);
    const reader = new RelayReader(paths, start, end);
    this.#readers.add(reader);
    return byteStream({
      read: (buffer) => this.#next(reader, buffer),
      close: () => this.#remove(reader),
      cancel: () => {
        this.#remove(reader);
        if (this.#readers.size === 0 && !this.#isStored) this.#options.onAbandoned();
      },
    }, { chunkBytes: CHUNK_BYTES });
  }

  /** Counts the next bytes of the blob. */
  write(chunk: Uint8Array): void {
    this.#arrived += chunk.length;
    this.#ready.resolve();
    this.#changed();
  }

  /** Called when all bytes are verified and about to be stored. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Restarts at the first byte. Fails the readers that have received wrong bytes. */
  restart(): Promise<void> {
    this.#arrived = 0;
    for (const reader of this.#readers) reader.restart();
    this.#changed();
    return Promise.resolve();
  }

  /** Called when the blob has been stored. */
  finish(): void {
    this.#isStored = true;
    this.#ready.resolve();
    this.#changed();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#ready.reject(error);
    this.#changed();
  }

  /** Waits for the next bytes of a reader; returns their number, 0 at the end. */
  async #next(reader: RelayReader, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
    for (;;) {
      const change = this.#change.promise;
      if (this.#failure !== undefined) throw this.#failure.error;
      const limit = this.#isStored ? reader.end : Math.min(this.#arrived, reader.end - 1);
      const count = await reader.readTo(limit, buffer);
      if (count > 0 || reader.isAtEnd) return count;
      if (this.#isStored && limit === reader.end) {
        throw new Deno.errors.UnexpectedEof("Cannot read the blob: its file ends early");
      }
      await change;
    }
  }

  #remove(reader: RelayReader): void {
    this.#readers.delete(reader);
    reader.close();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** Reads a range of a blob from the file that it is written to. */
class RelayReader {
  /** Offset after the last byte. */
  readonly end: number;
  readonly #paths: readonly string[];
  readonly #start: number;
  #position: number;
  #file: ReadableFile | undefined;
  #isWrong = false;
  #isClosed = false;

  constructor(paths: readonly string[], start: number, end: number) {
    this.#paths = paths;
    this.#start = start;
    this.#position = start;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.end;
  }

  /** Reads bytes before an offset; returns 0 if the file does not have any yet. */
  async readTo(limit: number, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#isWrong) throw new Error("Cannot restart the blob: wrong bytes have been passed on");
    if (this.#isClosed || this.#position >= limit) return 0;
    let file = this.#file;
    if (file === undefined) {
      file = this.#file = this.#open();
      await file.seek(this.#start, Deno.SeekMode.Start);
      if (file !== this.#file) return 0;
    }
    const count = await file.read(buffer.subarray(0, limit - this.#position));
    // The bytes may be from before a restart.
    if (count === null || file !== this.#file) return 0;
    this.#position += count;
    return count;
  }

  /** Called when the bytes so far were wrong. */
  restart(): void {
    if (this.#position > this.#start) this.#isWrong = true;
    this.#closeFile();
  }

  close(): void {
    this.#isClosed = true;
    this.#closeFile();
  }

  /** Opens the part, which stays open when it is renamed to the blob, or else the blob. */
  #open(): ReadableFile {
    for (const path of this.#paths) {
      const file = openRegularFile(path, { foreign: true })?.file;
      if (file !== undefined) return file;
    }
    throw new Deno.errors.NotFound("Cannot read the blob: it was removed");
  }

  #closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}
