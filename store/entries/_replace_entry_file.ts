import { swapFile } from "../host/files.ts";

/** Replaces a file on which nothing depends: a failure is ignored. */
export function replaceEntryFile(path: string, bytes: Uint8Array): void {
  try {
    swapFile(path, bytes);
  } catch {
    // The store is not writable or the disk is full: the layer is read again each time.
  }
}
