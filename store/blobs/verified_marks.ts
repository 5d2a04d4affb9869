import { fileAge, lstatIfAny, namesIn, replaceSmallFile, tryRemove } from "../host/files.ts";
import { readSmallText, unlessFaulty } from "../host/read_small_file.ts";

/** Maximum size of a mark, which has four numbers. */
const MAX_MARK_BYTES = 1024;

/**
 * Whether a mark says that the blob that `info` describes was verified.
 *
 * A mark is a small file with the blob's size, modification time, change time and inode number at
 * the time of verification. Modifying or replacing the blob changes one of them, so that the mark
 * no longer matches and the blob is hashed again. A mark is only a hint and needs no lock and no
 * fsync: a torn or lost mark does not match.
 */
export function matchesMark(path: string, info: Deno.FileInfo): boolean {
  const mark = unlessFaulty(() => readSmallText(path, { maxBytes: MAX_MARK_BYTES }));
  return mark === stamp(info);
}

/** Marks the blob that `info` describes as verified. */
export async function writeMark(path: string, info: Deno.FileInfo): Promise<void> {
  // Timestamps are coarse: a file that has just been written could be written again without a
  // visible change.
  if (info.mtime === null || fileAge(info.mtime) < 500) return;
  try {
    await replaceSmallFile(path, stamp(info));
  } catch {
    // The store is not writable or the disk is full; the blob is hashed each time.
  }
}

/**
 * Removes marks until they have freed some bytes, for a write that the full disk prevents. Their
 * blobs are hashed again.
 */
export function releaseMarks(directory: string, bytes: number): void {
  for (const name of namesIn(directory)) {
    if (bytes <= 0) return;
    const path = `${directory}/${name}`;
    bytes -= (lstatIfAny(path)?.blocks ?? 0) * 512;
    tryRemove(path);
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
