import { type Digest, type DigestAlgorithm, digestAlgorithm, Digester } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { Expectation } from "../../spec/verifier.ts";
import { FILE_MODE, lstatIfAny } from "../host/durable.ts";
import { tryFlock } from "../host/file_lock.ts";
import { removeIfAny } from "../host/remove_tree.ts";

const PREFIX = "upload-";
const SUFFIX = ".part";
/** How much is read at once where the bytes are hashed again. */
const REHASH_BYTES = 1024 * 1024;

/** Options for {@linkcode ContentStore.beginUpload}. */
export interface ContentUploadOptions {
  /**
   * Hash function of the digest that the bytes are expected to have; if it turns out to be another
   * one, they are hashed again.
   *
   * @default {"sha256"}
   */
  readonly algorithm?: DigestAlgorithm | undefined;
  /** Aborts the wait for another process. */
  readonly signal?: AbortSignal | undefined;
}

/** What an upload needs to know of the store. */
export interface UploadTarget {
  /** Keeps the blob from being pruned. */
  readonly hold: (digest: Digest) => Promise<void>;
  /** Whether the blob is there and intact. */
  readonly isIntact: (blob: Expectation) => Promise<boolean>;
  /** Path of a blob. */
  readonly blobPath: (digest: Digest) => string;
  /** Called when the blob has its name. */
  readonly onCommit: (digest: Digest, info: Deno.FileInfo) => Promise<void>;
}

/**
 * Bytes on their way into a store that are not known to be a certain blob before they end, as a
 * registry receives them. They lie in a file of their own under `ingest/`, and become a blob by
 * {@linkcode ContentUpload.commit}. Dispose of an upload that is not committed: it discards them.
 *
 * The file is new and its name random, so no link that somebody has put there is followed; an
 * flock on it tells others that it is in use.
 */
export class ContentUpload implements AsyncDisposable {
  readonly #file: Deno.FsFile;
  readonly #part: string;
  readonly #digester: Digester;
  readonly #target: UploadTarget;
  #size = 0;
  #isOver = false;

  private constructor(file: Deno.FsFile, part: string, digester: Digester, target: UploadTarget) {
    this.#file = file;
    this.#part = part;
    this.#digester = digester;
    this.#target = target;
  }

  /** Begins an upload in a directory, which must exist. */
  static async create(
    directory: string,
    options: ContentUploadOptions,
    target: UploadTarget,
  ): Promise<ContentUpload> {
    for (;;) {
      const part = `${directory}/${PREFIX}${crypto.randomUUID()}${SUFFIX}`;
      const file = await Deno.open(part, {
        read: true,
        write: true,
        createNew: true,
        mode: FILE_MODE,
      });
      // Another process may take the new file for a leftover before it is locked.
      if (await tryFlock(file, part) && lstatIfAny(part) !== undefined) {
        return new ContentUpload(file, part, new Digester(options.algorithm), target);
      }
      file.close();
    }
  }

  /** Removes what uploads of processes that were killed have left in a directory. */
  static async removeLeftovers(directory: string): Promise<void> {
    for await (const { name, isFile } of Deno.readDir(directory)) {
      if (!isFile || !name.startsWith(PREFIX) || !name.endsWith(SUFFIX)) continue;
      try {
        using file = await Deno.open(`${directory}/${name}`, { read: true, write: true });
        if (await file.tryLock(true)) await removeIfAny(`${directory}/${name}`);
      } catch (error) {
        // Gone meanwhile, or another user's.
        if (error instanceof Deno.errors.NotFound) continue;
        if (error instanceof Deno.errors.PermissionDenied) continue;
        throw error;
      }
    }
  }

  /** Number of bytes received. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends bytes.
   *
   * @param chunk The next bytes; they may be reused as soon as this returns.
   */
  write(chunk: Uint8Array): void {
    this.#digester.update(chunk);
    for (let at = 0; at < chunk.length;) at += this.#file.writeSync(chunk.subarray(at));
    this.#size += chunk.length;
  }

  /**
   * Verifies the bytes and makes them a blob of the store. The upload is over, whether that
   * succeeds or not.
   *
   * @param digest The digest that the bytes must have, by whichever algorithm.
   * @throws {DigestMismatchError} If they have another one; they are discarded.
   */
  async commit(digest: Digest): Promise<void> {
    try {
      const size = this.#size;
      const actual = digestAlgorithm(digest) === this.#digester.algorithm
        ? this.#digester.digest()
        : await this.#rehash(digest);
      if (actual !== digest) throw new DigestMismatchError({ expected: digest, actual, size });
      await this.#target.hold(digest);
      if (await this.#target.isIntact({ digest, size })) return;
      await this.#file.syncData();
      // Set a whole-second time in the past, so that any later change alters the modification time.
      const written = new Date(Math.floor(Date.now() / 1000) * 1000 - 1000);
      await this.#file.utime(written, written);
      await Deno.rename(this.#part, this.#target.blobPath(digest));
      const info = await this.#file.stat();
      this.#close();
      await this.#target.onCommit(digest, info);
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  /** Discards the bytes, unless they have become a blob. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#close();
    await removeIfAny(this.#part);
  }

  #close(): void {
    this.#isOver = true;
    this.#file.close();
  }

  async #rehash(digest: Digest): Promise<Digest> {
    const digester = new Digester(digestAlgorithm(digest));
    const buffer = new Uint8Array(REHASH_BYTES);
    await this.#file.seek(0, Deno.SeekMode.Start);
    for (;;) {
      const count = await this.#file.read(buffer);
      if (count === null) return digester.digest();
      digester.update(buffer.subarray(0, count));
    }
  }
}
