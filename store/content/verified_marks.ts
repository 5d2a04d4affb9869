import type { Digest } from "../../spec/digest.ts";
import { LimitError } from "../../spec/errors.ts";
import { digestName } from "../../spec/verifier.ts";
import { StoreFileError } from "../host/open_regular_file.ts";
import { fileAge, replaceSmallFile } from "../host/files.ts";
import { readSmallText } from "../host/read_small_file.ts";

/** Maximum size of a mark, which has four numbers. */
const MAX_MARK_BYTES = 1024;

/**
 * Records which blobs have been hashed, so that a cached pull need not hash them again.
 *
 * A mark is a small file with the blob's size, modification time, change time and inode number at
 * the time of verification. Modifying or replacing the blob changes one of them, so that the mark
 * no longer matches and the blob is hashed again. A mark is only a hint and needs no lock and no
 * fsync: a torn or lost mark does not match.
 */
export class VerifiedMarks {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  #path(digest: Digest): string {
    return `${this.#directory}/${digestName(digest)}`;
  }

  /** Whether `info` describes the blob that was verified. */
  holds(digest: Digest, info: Deno.FileInfo): boolean {
    try {
      return readSmallText(this.#path(digest), { maxBytes: MAX_MARK_BYTES }) === stamp(info);
    } catch (error) {
      // An invalid mark is ignored.
      if (error instanceof StoreFileError || error instanceof LimitError) return false;
      throw error;
    }
  }

  /** Removes a mark, for a blob that is corrupt although it looks unchanged. */
  remove(digest: Digest): void {
    try {
      Deno.removeSync(this.#path(digest));
    } catch {
      // The mark does not exist, or the store is not writable.
    }
  }

  /** Records that the blob that `info` describes has been verified. */
  async set(digest: Digest, info: Deno.FileInfo): Promise<void> {
    // Timestamps are coarse: a file that has just been written could be written again without a
    // visible change.
    if (info.mtime === null || fileAge(info.mtime) < 500) return;
    const path = this.#path(digest);
    try {
      await replaceSmallFile(path, stamp(info));
    } catch {
      // The store is not writable or the disk is full; the blob is hashed each time.
    }
  }
}

/**
 * Fsyncs a new file and gives it a modification time that allows a mark: a whole second in the
 * past, so that any later change alters it.
 */
export async function settleFile(file: Deno.FsFile): Promise<void> {
  await file.syncData();
  const time = new Date(Math.floor(Date.now() / 1000) * 1000 - 1000);
  await file.utime(time, time);
}

function stamp(info: Deno.FileInfo): string {
  const { size, mtime, ctime, ino } = info;
  return `${size} ${mtime?.getTime()} ${ctime?.getTime()} ${ino}\n`;
}
