/** Mode of the files of a store: whatever the umask, nobody else may write to them. */
export const FILE_MODE = 0o644;

/**
 * Replaces a file so that a reader, or the next boot, finds the old bytes or the new ones: a
 * temporary file beside it, fsync, rename, fsync of the directory.
 *
 * The temporary file has one name per target, so that what a killed process leaves is
 * removed by the next: callers hold a lock that keeps other writers out. It is always a new
 * file, as a link of that name could lead anywhere.
 */
export async function replaceFile(
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`;
  await removeIfAny(temporary);
  {
    using file = await Deno.open(temporary, { write: true, createNew: true, mode: FILE_MODE });
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  }
  await Deno.rename(temporary, `${directory}/${name}`);
  await syncDirectory(directory);
}

/**
 * Puts a small file in the place of another, without the promise of {@linkcode replaceFile} for a
 * power cut: for what is only advice, or is looked at with care. It is always a new file, as a link
 * of that name could lead anywhere.
 */
export async function replaceSmallFile(path: string, text: string): Promise<void> {
  const options = { createNew: true, mode: FILE_MODE };
  try {
    await Deno.writeTextFile(path, text, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    await removeIfAny(path);
    await Deno.writeTextFile(path, text, options);
  }
}

/** Makes the names in a directory survive a power cut, where the system can. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directories; NTFS journals names by itself.
  if (Deno.build.os === "windows") return;
  try {
    using directory = await Deno.open(`${path}/.`);
    await directory.sync();
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  }
}

/** Some network and FUSE file systems refuse to sync a directory: nothing more can be done. */
function isUnsupported(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === "EINVAL" || code === "ENOTSUP" || code === "EOPNOTSUPP" || code === "ENOSYS";
}

/**
 * What there is at a path, not following a link there; `undefined` if there is nothing. It asks in
 * this thread: a pull asks hundreds of times, and each answer from another thread has to be waited
 * for.
 */
export function lstatIfAny(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}

/** Removes a file; nothing if it is not there. */
export async function removeIfAny(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
