import { FILE_MODE } from "../host/durable.ts";

/** Replaces a file on which nothing depends: a failure is ignored. */
export function replaceEntryFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    Deno.writeFileSync(temporary, bytes, { createNew: true, mode: FILE_MODE });
    Deno.renameSync(temporary, path);
  } catch {
    // The store is not writable or the disk is full: the layer is read again each time.
    try {
      Deno.removeSync(temporary);
    } catch {
      // It was not created.
    }
  }
}
