import { type Digest, isDigest } from "../../spec/digest.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import {
  digestName,
  digestPath,
  type Expectation,
  markVerifying,
  Verifier,
  verifyBytes,
} from "../../spec/verifier.ts";
import { lstatIfAny, tryRemove } from "../host/files.ts";
import { readSmallFile } from "../host/read_small_file.ts";
import type { OpenBlobOptions } from "./blob_stream.ts";
import { matchesMark, settleFile, writeMark } from "./verified_marks.ts";

/** Files by their digests, such as those under `blobs/`. Marks record which have been verified. */
export class BlobFiles {
  readonly #directory: string;
  readonly #marks: string | undefined;
  readonly #onVerify: ((digest: Digest) => Promise<void> | undefined) | undefined;

  /**
   * @param marks Directory of the marks; `undefined` for a layout that may be another user's, whose
   * marks cannot be trusted.
   * @param onVerify Called before a blob is verified, so that a hold can protect it.
   */
  constructor(
    directory: string,
    marks: string | undefined,
    onVerify?: (digest: Digest) => Promise<void> | undefined,
  ) {
    this.#directory = directory;
    this.#marks = marks;
    this.#onVerify = onVerify;
  }

  /** Returns the path of a blob, whether or not it exists. */
  pathOf(digest: Digest): string {
    return `${this.#directory}/${digestPath(digest)}`;
  }

  /** Whether a file of the right size exists; `false` for an unsupported digest. */
  has({ digest, size }: Expectation): boolean {
    const info = isDigest(digest) ? lstatIfAny(this.pathOf(digest)) : undefined;
    return info !== undefined && info.isFile && (size === undefined || info.size === size);
  }

  /**
   * Verifies a blob, by its mark or by hashing it. Returns whether it exists.
   *
   * @throws {DigestMismatchError} If its bytes do not match its digest.
   */
  async verify(blob: Expectation, signal: AbortSignal | undefined): Promise<boolean> {
    const { digest, size } = blob;
    await this.#onVerify?.(digest);
    const path = this.pathOf(digest);
    const info = lstatIfAny(path);
    // A symlink or a directory is not a blob; a download replaces a symlink.
    if (info === undefined || !info.isFile) return false;
    if (size !== undefined && info.size !== size) {
      const mismatch = { expected: digest, expectedSize: size, size: info.size };
      throw new DigestMismatchError({ ...mismatch, source: `"${path}"` });
    }
    if (this.#isMarked(digest, info)) return true;
    const bytes = await this.open({ digest }, { signal });
    await bytes.pipeTo(new WritableStream());
    await this.#mark(digest, info);
    return true;
  }

  /** Whether a blob exists and is intact. A corrupt blob is downloaded again and replaced. */
  async isIntact(blob: Expectation, signal: AbortSignal | undefined): Promise<boolean> {
    return await unlessRejected(this.verify(blob, signal), DigestMismatchError) ?? false;
  }

  /** Whether a blob has been verified and has not changed since. */
  isMarked(digest: Digest): boolean {
    const info = lstatIfAny(this.pathOf(digest));
    return info?.isFile === true && this.#isMarked(digest, info);
  }

  /**
   * Makes a new file a blob: fsyncs it, has `move` move it to its path, and marks it as verified. The
   * caller has verified all of its bytes.
   */
  async adopt(digest: Digest, file: Deno.FsFile, move: (path: string) => void): Promise<void> {
    await settleFile(file);
    move(this.pathOf(digest));
    await this.#mark(digest, await file.stat());
  }

  /** Forgets that a blob was verified. */
  distrust(digest: Digest): void {
    const mark = this.#markOf(digest);
    if (mark !== undefined) tryRemove(mark);
  }

  #isMarked(digest: Digest, info: Deno.FileInfo): boolean {
    const mark = this.#markOf(digest);
    return mark !== undefined && matchesMark(mark, info);
  }

  async #mark(digest: Digest, info: Deno.FileInfo): Promise<void> {
    const mark = this.#markOf(digest);
    if (mark !== undefined) await writeMark(mark, info);
  }

  #markOf(digest: Digest): string | undefined {
    return this.#marks && `${this.#marks}/${digestName(digest)}`;
  }

  /** Reads and verifies a blob of at most `maxBytes`; `undefined` if it does not exist. */
  async read(blob: Expectation, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!isDigest(blob.digest)) return undefined;
    const path = this.pathOf(blob.digest);
    const info = lstatIfAny(path);
    if (info === undefined || !info.isFile) return undefined;
    if (info.size > maxBytes) {
      throw new LimitError("bytes", maxBytes, info.size, `"${path}"`, "maxBytes");
    }
    // The digest is verified, so the owner does not matter.
    const bytes = readSmallFile(path, { maxBytes, foreign: true });
    if (bytes !== undefined) await verifyBytes(bytes, blob, `"${path}"`);
    return bytes;
  }

  /** Opens a blob. A stream of the whole blob fails at its end if the bytes do not match. */
  async open(
    expected: Expectation,
    options: OpenBlobOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { digest } = expected;
    const path = this.pathOf(digest);
    const isPart = (options.offset ?? 0) > 0 || options.length !== undefined;
    const { openBlobStream } = await import("./blob_stream.ts");
    if (isPart) return await openBlobStream(path, options);
    const verifier = new Verifier(expected, `"${path}"`);
    const onMismatch = () => this.distrust(digest);
    const stream = await openBlobStream(path, { ...options, verifier, onMismatch });
    markVerifying(stream, expected);
    return stream;
  }
}
