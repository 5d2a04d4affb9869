import { swapFile } from "../host/files.ts";

/** Replaces a file that nothing depends on. Ignores failures. */
export function replaceEntryFile(path: string, parts: Iterable<Uint8Array>): void {
  try {
    swapFile(path, parts);
  } catch {
    // The store is not writable or the disk is full: the layer is read again each time.
  }
}
