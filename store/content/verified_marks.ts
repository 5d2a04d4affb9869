import { type Digest, digestAlgorithm, digestHex } from "../../spec/digest.ts";
import { LimitError } from "../../spec/errors.ts";
import { replaceSmallFile } from "../host/durable.ts";
import { readSmallText } from "../host/read_small_file.ts";
import { StoreFileError } from "../errors.ts";

/** Maximum size of a mark, which has four numbers. */
const MAX_MARK_BYTES = 1024;

/**
 * Remembers which blobs have been hashed, so that a cached pull need not hash them again.
 *
 * A mark is a small file with the blob's size, modification time, change time and inode number
 * as they were when the bytes were verified. Whatever writes to the blob or puts another file
 * in its place changes one of them, and the mark no longer holds: the blob is hashed again.
 * A mark is advice. It needs no lock and no fsync: one that is torn or lost does not match.
 */
export class VerifiedMarks {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  #path(digest: Digest): string {
    return `${this.#directory}/${digestAlgorithm(digest)}-${digestHex(digest)}`;
  }

  /** Whether the blob that `info` describes is the one that was verified. */
  holds(digest: Digest, info: Deno.FileInfo): boolean {
    try {
      return readSmallText(this.#path(digest), { maxBytes: MAX_MARK_BYTES }) === stamp(info);
    } catch (error) {
      // What is not a mark of this store does not vouch for a blob.
      if (error instanceof StoreFileError || error instanceof LimitError) return false;
      throw error;
    }
  }

  /** Forgets a mark: the blob is wrong, though it does not look changed. */
  remove(digest: Digest): void {
    try {
      Deno.removeSync(this.#path(digest));
    } catch {
      // There is none, or the store may not be written.
    }
  }

  /** Records that the blob that `info` describes has been verified. */
  async set(digest: Digest, info: Deno.FileInfo): Promise<void> {
    // Time stamps are as coarse as a tick of the kernel, and shown in milliseconds: a file that
    // has just been written could be written again without a change that shows.
    if (info.mtime === null || Date.now() - info.mtime.getTime() < 500) return;
    const path = this.#path(digest);
    try {
      await replaceSmallFile(path, stamp(info));
    } catch {
      // A store that may not be written, or a disk that is full: the blob is hashed each time.
    }
  }
}

function stamp(info: Deno.FileInfo): string {
  const { size, mtime, ctime, ino } = info;
  return `${size} ${mtime?.getTime()} ${ctime?.getTime()} ${ino}\n`;
}
