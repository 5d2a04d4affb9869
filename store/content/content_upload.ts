import { type Digest, type DigestAlgorithm, Digester } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { digestAlgorithm } from "../../spec/verifier.ts";
import type { BlobFiles } from "../blobs/blob_files.ts";
import { rehash } from "../blobs/blob_writer.ts";
import { FILE_MODE, writeAllSync } from "../host/files.ts";
import { TemporaryFile } from "../host/temporary_file.ts";

/** Options for {@linkcode ContentStore.beginUpload}. */
export interface ContentUploadOptions {
  /**
   * Expected digest algorithm. If the digest uses another one, the bytes are hashed again.
   *
   * @default {"sha256"}
   */
  readonly algorithm?: DigestAlgorithm | undefined;
  /** Aborts the wait for another process. */
  readonly signal?: AbortSignal | undefined;
}

/** The parts of a store that an upload uses. */
export interface UploadTarget {
  /** The blobs of the store. */
  readonly blobs: BlobFiles;
  /** Protects a blob against pruning. */
  readonly hold: (digest: Digest) => Promise<void>;
}

/**
 * An upload of bytes whose digest is known only at the end, as a registry receives them. The bytes
 * are kept in a temporary file under `ingest/`; {@linkcode ContentUpload.commit} makes them a blob.
 * Disposing of an upload that is not committed discards its bytes.
 *
 * The next process removes the file of a killed one.
 *
 * @example Store bytes as they arrive
 * ```ts
 * import { ContentStore } from "@x/oci/store";
 * import { digestOf } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * const store = await ContentStore.open("./store");
 * const digest = digestOf(await Deno.readFile("./layer.tar.gz"));
 * const layer = await Deno.open("./layer.tar.gz");
 *
 * await using upload = await store.beginUpload();
 * for await (const chunk of layer.readable) upload.write(chunk);
 * await upload.commit(digest);
 *
 * assert(await store.has(digest));
 * ```
 */
export class ContentUpload implements AsyncDisposable {
  readonly #part: TemporaryFile;
  readonly #file: Deno.FsFile;
  readonly #digester: Digester;
  readonly #target: UploadTarget;
  readonly #signal: AbortSignal | undefined;
  #size = 0;

  private constructor(part: TemporaryFile, options: ContentUploadOptions, target: UploadTarget) {
    this.#part = part;
    this.#file = part.file;
    this.#digester = new Digester(options.algorithm);
    this.#target = target;
    this.#signal = options.signal;
  }

  /** Begins an upload in a directory, which must exist. */
  static async create(
    directory: string,
    options: ContentUploadOptions,
    target: UploadTarget,
  ): Promise<ContentUpload> {
    const part = await TemporaryFile.create({
      directory,
      prefix: "upload-",
      suffix: ".part",
      mode: FILE_MODE,
    });
    return new ContentUpload(part, options, target);
  }

  /** Removes files left behind in the same directory by uploads of killed processes. */
  async removeLeftovers(): Promise<void> {
    await this.#part.removeDead();
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
    writeAllSync(this.#file, chunk, this.#part.path);
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
      const { blobs, hold } = this.#target;
      await hold(digest);
      if (await blobs.isIntact({ digest, size }, this.#signal)) return;
      await blobs.adopt(digest, this.#file, (path) => this.#part.rename(path));
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  /** Discards the bytes unless they were committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.try(() => this.#part[Symbol.dispose]());
  }

  async #rehash(digest: Digest): Promise<Digest> {
    const digester = new Digester(digestAlgorithm(digest));
    await this.#file.seek(0, Deno.SeekMode.Start);
    await rehash(this.#file, digester, this.#size, this.#signal);
    return digester.digest();
  }
}
