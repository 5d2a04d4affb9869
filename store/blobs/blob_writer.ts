import type { Digest } from "../../spec/digest.ts";
import { isDiskFull } from "../../spec/error_facts.ts";
import { BufferedVerifier, type Expectation, Verifier } from "../../spec/verifier.ts";
import { DiskFullError } from "../errors.ts";
import { lockFile, type LockFileOptions } from "../host/file_lock.ts";
import { moveFile } from "../host/temporary_file.ts";
import type { BlobFiles } from "./blob_files.ts";
import { type ByteRange, PartRanges } from "./part_ranges.ts";

/** Size below which chunks are buffered before they are written. */
const GATHER_BYTES = 256 * 1024;
/**
 * Total size of the first blobs of this process, which are held in memory and hashed in one call.
 * Loading the code for incremental hashing takes as long as downloading several megabytes.
 */
const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** Total size of the blobs that this process has begun to write. */
let begunBytes = 0;
/** Size of the buffer for rehashing a part from an earlier run. */
const REHASH_BYTES = 1024 * 1024;

export interface BlobWriterOptions extends Omit<LockFileOptions, "shared"> {
  /** Source of the bytes for error messages, without secrets. */
  readonly source?: string | undefined;
  /** The part, if it is open and locked already. The writer closes it. */
  readonly file?: Deno.FsFile | undefined;
}

/**
 * Writes a blob to a part file and moves it into place once it is verified.
 *
 * The sequence is {@linkcode BlobWriter.open}, `write` until the bytes end,
 * {@linkcode BlobWriter.finish}, {@linkcode BlobWriter.commit}. Writing is synchronous: per chunk
 * there is one hash update, or a copy for a small blob, and, for every 256 KiB, one system call.
 *
 * **Crash safety.** The next process rehashes the part left behind by a killed process and resumes
 * the download: at the end of a part that was written in order, or at the gaps in the record of a
 * download in ranges. After a power failure the part may hold arbitrary bytes; the final digest
 * then does not match and the download restarts. The file gets its final name only after its bytes
 * have been verified and fsynced, so every name under `blobs/` refers to complete content. The part
 * is locked (flock) while it is open. It thus serves as the lock of the blob as well: there is one
 * writer per blob on a machine.
 */
export class BlobWriter implements Disposable {
  /** Number of contiguous bytes that an earlier run left at the start of the blob. */
  readonly resumed: number;
  /** Ranges that an earlier run downloaded beyond those bytes. */
  readonly laterRanges: readonly { readonly start: number; readonly end: number }[];
  readonly #file: Deno.FsFile;
  readonly #part: string;
  readonly #expected: Required<Expectation>;
  readonly #source: string | undefined;
  /** Buffer for small chunks, allocated with the first one. */
  #gathered: Uint8Array<ArrayBuffer> = new Uint8Array();
  #gatheredLength = 0;
  #written: number;
  #verifier: Verifier | BufferedVerifier;
  #closed = false;

  private constructor(
    file: Deno.FsFile,
    part: string,
    expected: Required<Expectation>,
    verifier: Verifier | BufferedVerifier,
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
   * Opens a part, waits until no other process writes it, and hashes its bytes.
   *
   * @param part Path of the part; its directory must exist.
   * @returns A writer that continues at {@linkcode BlobWriter.size}.
   * @throws {Deno.errors.PermissionDenied} If the store cannot be written.
   */
  static async open(
    part: string,
    expected: Required<Expectation>,
    options: BlobWriterOptions = {},
  ): Promise<BlobWriter> {
    const { source, file: locked, ...waiting } = options;
    const { digest, size } = expected;
    const file = locked ?? await lockFile(part, waiting);
    try {
      const verifier = newVerifier({ digest, size }, source);
      const found = (await file.stat()).size;
      // A part that is larger than the blob cannot belong to it.
      if (found > size) await file.truncate(0);
      // A part without a record was written in order.
      const present = found > size
        ? []
        : PartRanges.read(part, found) ?? [{ start: 0, end: found }];
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

  /** Number of bytes written in order, which is the offset of the next chunk. */
  get size(): number {
    return this.#verifier.size;
  }

  /** Size of the whole blob in bytes. */
  get total(): number {
    return this.#expected.size;
  }

  /** Whether all bytes have been written; {@linkcode BlobWriter.finish} verifies them. */
  get complete(): boolean {
    return this.size === this.total;
  }

  /**
   * Appends the next bytes.
   *
   * @param chunk The bytes; they may be reused as soon as this returns.
   * @throws {DigestMismatchError} If there are more bytes than the blob has.
   * @throws {DiskFullError} If the disk is full.
   */
  write(chunk: Uint8Array): void {
    this.#verifier.update(chunk);
    if (this.#gatheredLength + chunk.length > GATHER_BYTES) this.flush();
    if (chunk.length >= GATHER_BYTES) return this.#append(chunk);
    if (this.#gathered.length === 0) {
      this.#gathered = new Uint8Array(Math.min(GATHER_BYTES, this.#expected.size));
    }
    this.#gathered.set(chunk, this.#gatheredLength);
    this.#gatheredLength += chunk.length;
  }

  /**
   * Reads the next bytes from the part itself, where a download in ranges has written them.
   *
   * @returns The bytes, at most as many as the buffer holds.
   */
  readNext(buffer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (this.#gatheredLength > 0) this.flush();
    const count = this.#file.readSync(buffer) ?? 0;
    const chunk = buffer.subarray(0, count);
    this.#verifier.update(chunk);
    this.#written += count;
    return chunk;
  }

  /**
   * Returns the {@linkcode DiskFullError} for a failure to write to the part or beside it because
   * the disk is full; returns any other error unchanged.
   */
  explain(error: unknown): unknown {
    if (!isDiskFull(error)) return error;
    const kept = PartRanges.read(this.#part, this.total) ?? [{ start: 0, end: this.#written }];
    const size = kept.reduce((sum, { start, end }) => sum + end - start, 0);
    return new DiskFullError(this.digest, this.#part, size, { cause: error });
  }

  /** Writes buffered bytes to the part. */
  flush(): void {
    const bytes = this.#gathered.subarray(0, this.#gatheredLength);
    this.#gatheredLength = 0;
    this.#append(bytes);
  }

  /** Drops ranges downloaded beyond {@linkcode BlobWriter.size}. */
  dropLaterRanges(): void {
    this.flush();
    this.#file.truncateSync(this.#written);
    // Remove the record last: a range beyond the end of the part counts as missing.
    PartRanges.remove(this.#part);
  }

  /**
   * Verifies the size and the digest of everything written. Call it once, at the end.
   *
   * @throws {DigestMismatchError} If the bytes do not match the digest or size.
   */
  async finish(): Promise<void> {
    this.flush();
    await this.#verifier.finish();
  }

  /**
   * Moves the blob to its final name and closes the writer. Call it after
   * {@linkcode BlobWriter.finish} and any other checks: the blob is not visible before then.
   *
   * The bytes are fsynced before the rename. To make the name itself survive a power failure, the
   * caller fsyncs the directory, once for many blobs.
   *
   * @param blobs Files that the blob joins, on the same file system.
   */
  async commit(blobs: BlobFiles): Promise<void> {
    await blobs.adopt(this.digest, this.#file, (path) => {
      moveFile(this.#part, path);
      PartRanges.remove(this.#part);
    });
    this.#close();
  }

  /** Discards all bytes and restarts at the first one. */
  restart(): void {
    this.#file.truncateSync(0);
    PartRanges.remove(this.#part);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.#gatheredLength = 0;
    this.#written = 0;
    this.#releaseHeld();
    this.#verifier = newVerifier(this.#expected, this.#source);
  }

  /** Removes the part and closes the writer. */
  discard(): void {
    Deno.removeSync(this.#part);
    PartRanges.remove(this.#part);
    this.#close();
  }

  /** Closes the writer if it is open. The part stays, with everything that was written. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    try {
      this.flush();
    } catch {
      // Lost bytes are fetched again; the error that ended the writing is more useful.
    }
    this.#close();
  }

  #close(): void {
    this.#closed = true;
    this.#gatheredLength = 0;
    // Release the memory now: an image may have hundreds of layers.
    this.#gathered.buffer.transfer(0);
    this.#releaseHeld();
    this.#file.close();
  }

  #releaseHeld(): void {
    if (this.#verifier instanceof BufferedVerifier) this.#verifier.release();
  }

  #append(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length;) {
        const count = this.#file.writeSync(at === 0 ? bytes : bytes.subarray(at));
        this.#written += count;
        at += count;
      }
    } catch (error) {
      throw this.explain(error);
    }
  }
}

function newVerifier(expected: Required<Expectation>, source: string | undefined) {
  begunBytes += expected.size;
  return begunBytes <= MAX_HELD_BYTES
    ? new BufferedVerifier(expected, source)
    : new Verifier(expected, source);
}

/** Hashes the next bytes of a file. */
export async function rehash(
  file: Deno.FsFile,
  hash: { update(bytes: Uint8Array): void },
  length: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(length, REHASH_BYTES));
  for (let left = length; left > 0;) {
    signal?.throwIfAborted();
    const count = await file.read(buffer.subarray(0, left));
    if (count === null) return;
    hash.update(buffer.subarray(0, count));
    left -= count;
  }
}
