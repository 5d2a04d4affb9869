import { isDiskFull } from "../../spec/error_facts.ts";
import { FILE_MODE, removeIfAny, syncDirectory, writeAllSync } from "./files.ts";
import { outputError } from "./system_error.ts";

/** Options for {@linkcode replaceFile}. */
export interface ReplaceFileOptions {
  /**
   * Mode of the file.
   *
   * @default {0o644}
   */
  readonly mode?: number | undefined;
  /**
   * Whether the file must survive a power failure.
   *
   * @default {true}
   */
  readonly isDurable?: boolean | undefined;
}

/**
 * Replaces a file atomically and durably: a temporary file beside it, fsync, rename, fsync of the
 * directory.
 *
 * The temporary file has one name per target, so that the next writer removes the leftover of a
 * killed one: callers hold a lock that excludes other writers. It is always a new file, because a
 * symlink of that name could lead anywhere.
 *
 * @throws {OciError} If the disk is full. Nothing has changed then.
 */
export async function replaceFile(
  directory: string,
  name: string,
  bytes: Uint8Array,
  { mode = FILE_MODE, isDurable = true }: ReplaceFileOptions = {},
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`;
  removeIfAny(temporary);
  try {
    using file = createFile(temporary, mode);
    writeAllSync(file, bytes);
    if (isDurable) await file.sync();
  } catch (error) {
    if (!(error instanceof Error && isDiskFull(error))) throw error;
    removeIfAny(temporary);
    throw outputError(`${directory}/${name}`, error);
  }
  rename(temporary, `${directory}/${name}`);
  if (isDurable) await syncDirectory(directory);
}

// Waiting for another thread would take longer than each of these calls.
function createFile(path: string, mode: number): Deno.FsFile {
  return Deno.openSync(path, { write: true, createNew: true, mode });
}

function rename(from: string, to: string): void {
  Deno.renameSync(from, to);
}
