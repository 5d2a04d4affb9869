import { type Digest, type DigestAlgorithm, digestAlgorithm, Digester } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { Expectation } from "../../spec/verifier.ts";
import { FILE_MODE, lstatIfAny } from "../host/durable.ts";
import { tryFlock } from "../host/file_lock.ts";
import { removeIfAny } from "../host/remove_tree.ts";

const PREFIX = "upload-";
const SUFFIX = ".part";
/** Size of the buffer for rehashing the bytes. */
const REHASH_BYTES = 1024 * 1024;

/** Options for {@linkcode ContentStore.beginUpload}. */
export interface ContentUploadOptions {
  /**
   * Expected digest algorithm. The bytes are hashed again if the digest has another one.
   *
   * @default {"sha256"}
   */
  readonly algorithm?: DigestAlgorithm | undefined;
  /** Aborts the wait for another process. */
  readonly signal?: AbortSignal | undefined;
}

/** The operations of a store that an upload uses. */
export interface UploadTarget {
  /** Protects the blob against pruning. */
  readonly hold: (digest: Digest) => Promise<void>;
  /** Whether the blob is there and intact. */
  readonly isIntact: (blob: Expectation) => Promise<boolean>;
  /** Path of a blob. */
  readonly blobPath: (digest: Digest) => string;
  /** Called when the blob is in place. */
  readonly onCommit: (digest: Digest, info: Deno.FileInfo) => Promise<void>;
}

/**
 * An upload of bytes whose digest is known only at the end, as a registry receives them. The bytes
 * are kept in a temporary file under `ingest/`; {@linkcode ContentUpload.commit} makes them a blob.
 * Disposing of an upload that is not committed discards its bytes.
 *
 * The file is created exclusively with a random name, so a planted symlink is never followed. An
 * flock on the file shows other processes that it is in use.
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
      // Another process may remove the new file as a leftover before it is locked.
      if (await tryFlock(file, part) && lstatIfAny(part) !== undefined) {
        return new ContentUpload(file, part, new Digester(options.algorithm), target);
      }
      file.close();
    }
  }

  /** Removes files left in a directory by uploads of killed processes. */
  static async removeLeftovers(directory: string): Promise<void> {
    for await (const { name, isFile } of Deno.readDir(directory)) {
      if (!isFile || !name.startsWith(PREFIX) || !name.endsWith(SUFFIX)) continue;
      try {
        using file = await Deno.open(`${directory}/${name}`, { read: true, write: true });
        if (await file.tryLock(true)) await removeIfAny(`${directory}/${name}`);
      } catch (error) {
        // The file was removed meanwhile or belongs to another user.
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
   * Verifies the bytes and makes them a blob of the store. Ends the upload even on failure.
   *
   * @param digest The digest that the bytes must have, with any supported algorithm.
   * @throws {DigestMismatchError} If the bytes do not match; they are discarded.
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

  /** Discards the bytes unless they were committed. */
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
