import { NativeMount } from "./_native_mount.ts";

/**
 * Waits until everything that was written to the file system of a directory is on the disk: one
 * call for a tree of many files. Does nothing where there is no native backend.
 *
 * @param directory The directory.
 */
export async function syncFileSystem(directory: string): Promise<void> {
  using calls = NativeMount.tryOpen();
  await calls?.syncFileSystem(directory);
}
