import { tryLockFile } from "../host/file_lock.ts";
import { lstatIfAny, removeIfAny } from "../host/files.ts";

/** Locked parts whose downloads have not begun, by their paths. */
const claims = new Map<string, Deno.FsFile>();

/**
 * Creates and locks the part of a blob that will be downloaded soon.
 *
 * @returns The claim; `undefined` if the part exists. Disposing of it removes the part, unless the
 * download has begun.
 */
export async function claimPart(path: string): Promise<Disposable | undefined> {
  if (lstatIfAny(path) !== undefined) return undefined;
  const file = await tryLockFile(path);
  if (file === undefined) return undefined;
  // Another process may have created it after the first look, and was killed.
  if (file.statSync().size > 0) {
    file.close();
    return undefined;
  }
  claims.set(path, file);
  return {
    [Symbol.dispose]() {
      if (claims.get(path) !== file) return;
      claims.delete(path);
      removeIfAny(path);
      file.close();
    },
  };
}

/** Returns the part if this process has claimed it. The caller now owns the file and its lock. */
export function takeClaimedPart(path: string): Deno.FsFile | undefined {
  const file = claims.get(path);
  claims.delete(path);
  return file;
}
