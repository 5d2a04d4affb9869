import { swapFile } from "../host/files.ts";

/** Replaces a file in `entries/`. Ignores failures, since such a file is only a hint. */
export function replaceEntryFile(path: string, parts: Iterable<Uint8Array>): void {
  try {
    swapFile(path, parts);
  } catch {
    // The store is read-only or the disk is full. The layer is then read each time.
  }
}
