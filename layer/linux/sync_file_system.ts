import { NativeMount } from "./native_mount.ts";

/**
 * Writes the file system of a directory to the disk: one call for a tree of many files. Does
 * nothing if the native backend is not available.
 */
export async function syncFileSystem(directory: string): Promise<void> {
  using calls = NativeMount.tryOpen();
  await calls?.syncFileSystem(directory);
}
