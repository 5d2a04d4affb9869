import type { Digest } from "../../spec/digest.ts";
import { type Expectation, Verifier } from "../../spec/verifier.ts";
import { lockFile } from "../host/file_lock.ts";
import { DiskFullError } from "../errors.ts";
import { type ByteRange, PartRanges } from "./_part_ranges.ts";

/** Chunks smaller than this are gathered before they are written. */
const GATHER_BYTES = 256 * 1024;
/** How much is read at once where a part of an earlier run is hashed again. */
const REHASH_BYTES = 1024 * 1024;

/** Options for {@linkcode BlobWriter.open}. */
export interface BlobWriterOptions {
  /** Where the bytes come from, for errors; without secrets. */
  readonly source?: string | undefined;
  /** Ends the waiting for another process, and the hashing of what is there. */
  readonly signal?: AbortSignal | undefined;
  /** Is called, again and again, while another process writes the same blob. */
  readonly onBusy?: (() => void) | undefined;
  /** Is told, once, what is waited for, if that takes longer than a person would expect. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/**
 * Writes a blob to a part file and moves it into place when it is what it must be.
 *
 * The sequence is {@linkcode BlobWriter.open}, `write` until the bytes end,
 * {@linkcode BlobWriter.finish}, {@linkcode BlobWriter.commit}. Writing and checking are
 * synchronous, so that the same object serves a loop on the main thread and a pipeline inside
 * a worker: per chunk there is one hash update and, for every 256 KiB, one system call.
 *
 * **Crash safety.** Whatever a killed process leaves is hashed again by the next one, which
 * resumes the download: at the end of a part that was written in order, or where the record of a
 * download in parts says that bytes are missing. After a power cut the part may hold anything: the
 * final digest tells, and the part is begun anew. The file gets
 * its final name only after its bytes have been compared and fsynced, so a name under `blobs/`
 * never stands for bytes that are not there. The part is locked (flock) while it is open, which
 * makes it the lock of the blob as well: there is one writer per blob on a machine.
 *
 * @example Write a blob in two chunks
 * ```ts
 * import { BlobWriter } from "@x/oci/store";
 * import { digestOf } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const bytes = new TextEncoder().encode("hello");
 * {
 *   using writer = await BlobWriter.open(`${directory}/part`, {
 *     digest: digestOf(bytes),
 *     size: 5,
 *   });
 *   writer.write(bytes.subarray(0, 2));
 *   writer.write(bytes.subarray(2));
 *   writer.finish();
 *   await writer.commit(`${directory}/blob`);
 * }
 *
 * assertEquals(await Deno.readTextFile(`${directory}/blob`), "hello");
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export class BlobWriter implements Disposable {
  /** Number of bytes that an earlier run left, from the first one on. */
  readonly resumed: number;
  /** Ranges that an earlier run left beyond those bytes; a download in parts makes them. */
  readonly laterRanges: readonly { readonly start: number; readonly end: number }[];
  readonly #file: Deno.FsFile;
  readonly #part: string;
  readonly #expected: Required<Expectation>;
  readonly #source: string | undefined;
  /** Room for chunks that are small, from the first one on. */
  #gathered: Uint8Array<ArrayBuffer> = new Uint8Array();
  #gatheredLength = 0;
  #written: number;
  #verifier: Verifier;
  #closed = false;

  private constructor(
    file: Deno.FsFile,
    part: string,
    expected: Required<Expectation>,
    verifier: Verifier,
    source: string | undefined,
    laterRanges: readonly ByteRange[],
  ) {
    this.laterRanges = laterRanges;
    this.#file = file;
    this.#part = part;
    this.#expected = expected;
    this.#verifier = verifier;
    this.#source = source;
    this.#written = verifier.size;
    this.resumed = verifier.size;
  }

  /**
   * Opens a part, waits until nobody else writes it, and hashes what it has.
   *
   * @param part Path of the part; its directory must exist.
   * @param expected The digest and size of the whole blob.
   * @param options Where the bytes come from; how to stop.
   * @returns A writer that continues at {@linkcode BlobWriter.size}.
   * @throws {Deno.errors.PermissionDenied} If the store cannot be written.
   */
  static async open(
    part: string,
    expected: Required<Expectation>,
    options: BlobWriterOptions = {},
  ): Promise<BlobWriter> {
    const { source, ...waiting } = options;
    const { digest, size } = expected;
    const file = await lockFile(part, waiting);
    try {
      const verifier = new Verifier({ digest, size }, source);
      const found = (await file.stat()).size;
      // More than there can be is nothing of this blob.
      if (found > size) await file.truncate(0);
      const present = found > size ? [] : presentRanges(part, found);
      const [first] = present;
      if (first?.start === 0) await rehash(file, verifier, first.end, options.signal);
      const later = present.filter(({ start }) => start > 0);
      return new BlobWriter(file, part, { digest, size }, verifier, source, later);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** The digest that the blob must have. */
  get digest(): Digest {
    return this.#expected.digest;
  }

  /** How many bytes of the blob are there: where the next chunk belongs. */
  get size(): number {
    return this.#verifier.size;
  }

  /** How many bytes the blob has. */
  get total(): number {
    return this.#expected.size;
  }

  /** Whether all bytes are there; what they are is for {@linkcode BlobWriter.finish} to say. */
  get complete(): boolean {
    return this.size === this.total;
  }

  /**
   * Takes the next bytes.
   *
   * @param chunk The bytes; they may be reused as soon as this returns.
   * @throws {DigestMismatchError} If there are more bytes than the blob has.
   * @throws {DiskFullError} If they do not fit on the disk.
   */
  write(chunk: Uint8Array): void {
    this.#verifier.update(chunk);
    if (this.#gatheredLength + chunk.length > GATHER_BYTES) this.#flush();
    if (chunk.length >= GATHER_BYTES) return this.#append(chunk);
    if (this.#gathered.length === 0) {
      this.#gathered = new Uint8Array(Math.min(GATHER_BYTES, this.#expected.size));
    }
    this.#gathered.set(chunk, this.#gatheredLength);
    this.#gatheredLength += chunk.length;
  }

  /**
   * Takes the next bytes from the part itself, where a download in parts has written them.
   *
   * @param buffer Memory for the bytes.
   * @returns The bytes, at most as many as the buffer holds.
   */
  readNext(buffer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (this.#gatheredLength > 0) this.#flush();
    const count = this.#file.readSync(buffer) ?? 0;
    const chunk = buffer.subarray(0, count);
    this.#verifier.update(chunk);
    this.#written += count;
    return chunk;
  }

  /** Writes gathered bytes to the part. */
  flush(): void {
    this.#flush();
  }

  /** Drops what a download in parts has left beyond {@linkcode BlobWriter.size}. */
  dropLaterRanges(): void {
    this.#flush();
    this.#file.truncateSync(this.#written);
    // The record goes last: a range beyond the end of the part counts as missing.
    PartRanges.remove(this.#part);
  }

  /**
   * Compares the size and the digest of everything written. Call it once, at the end.
   *
   * @throws {DigestMismatchError} If the bytes are not those of the blob.
   */
  finish(): void {
    this.#flush();
    this.#verifier.finish();
  }

  /**
   * Gives the blob its name. Call it after {@linkcode BlobWriter.finish}, and after whatever
   * else must hold: until then nothing is visible. The writer is closed.
   *
   * The bytes are on the disk before the name is; that the name itself survives a power cut is
   * for the caller to see to, by an fsync of the directory, once for many blobs.
   *
   * @param path Where the blob belongs, on the same file system.
   * @returns What the file system says of the blob.
   */
  async commit(path: string): Promise<Deno.FileInfo> {
    await this.#file.syncData();
    // A modification time that is whole and past: a later change, however soon, shows.
    const written = new Date(Math.floor(Date.now() / 1000) * 1000 - 1000);
    await this.#file.utime(written, written);
    await Deno.rename(this.#part, path);
    PartRanges.remove(this.#part);
    const info = await this.#file.stat();
    this.#close();
    return info;
  }

  /** Throws away what is there, to begin again with the first byte. */
  restart(): void {
    this.#file.truncateSync(0);
    PartRanges.remove(this.#part);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.#gatheredLength = 0;
    this.#written = 0;
    this.#verifier = new Verifier(this.#expected, this.#source);
  }

  /** Removes the part and closes the writer. */
  discard(): void {
    Deno.removeSync(this.#part);
    PartRanges.remove(this.#part);
    this.#close();
  }

  /** Closes the writer, if it is open; the part stays, with everything that was written. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    try {
      this.#flush();
    } catch {
      // What could not be written is fetched again; why the writing ended is the better error.
    }
    this.#close();
  }

  #close(): void {
    this.#closed = true;
    this.#gatheredLength = 0;
    // An image may have hundreds of layers, and the garbage collector is in no hurry.
    this.#gathered.buffer.transfer(0);
    this.#file.close();
  }

  #flush(): void {
    const bytes = this.#gathered.subarray(0, this.#gatheredLength);
    this.#gatheredLength = 0;
    this.#append(bytes);
  }

  #append(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length;) {
        const count = this.#file.writeSync(at === 0 ? bytes : bytes.subarray(at));
        this.#written += count;
        at += count;
      }
    } catch (error) {
      throw isDiskFull(error)
        ? new DiskFullError(this.digest, this.#part, this.#written, { cause: error })
        : error;
    }
  }
}

/** The ranges of a part that are there. Without a record, the part was written in order. */
function presentRanges(part: string, size: number): readonly ByteRange[] {
  return PartRanges.read(part, size) ?? [{ start: 0, end: size }];
}

async function rehash(
  file: Deno.FsFile,
  verifier: Verifier,
  length: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const buffer = new Uint8Array(REHASH_BYTES);
  for (let left = length; left > 0;) {
    signal?.throwIfAborted();
    const count = await file.read(buffer.subarray(0, Math.min(left, REHASH_BYTES)));
    if (count === null) return;
    verifier.update(buffer.subarray(0, count));
    left -= count;
  }
}

function isDiskFull(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === "ENOSPC" || code === "EDQUOT";
}
