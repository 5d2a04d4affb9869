import { join } from "@std/path";
import { statfsSync } from "node:fs";
import { present } from "../../spec/json.ts";
import { removeTree } from "../../store/host/remove_tree.ts";

/** A temporary directory. Disposing of it removes it, whatever the modes in it. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** Returns a path in it. */
  join(...parts: string[]): string;
}

export interface TempDirOptions {
  /** Parent directory (default: that of the system for temporary files). */
  readonly dir?: string;
  /** Prefers memory over disk, for large data that is soon removed. */
  readonly large?: boolean;
}

const SHARED_MEMORY = "/dev/shm";
/** Free memory that the tests together may need. Containers often have 64 MiB. */
const MIN_FREE_BYTES = 1024 * 1024 * 1024;

/** Makes a directory for one test. */
export async function makeTempDir(options: TempDirOptions = {}): Promise<TempDir> {
  const { large = false, dir } = options;
  // In containers, only root may be able to write to the memory, or nobody.
  const isInMemory = large && dir === undefined && hasFreeMemory();
  const made = isInMemory ? await makeIn(SHARED_MEMORY).catch(() => makeIn()) : await makeIn(dir);
  // On macOS, the directory for temporary files is behind a symlink.
  const path = await Deno.realPath(made);
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => removeTree(path),
  };
}

/** Returns the names in a directory, sorted. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  return (await Array.fromAsync(Deno.readDir(directory), ({ name }) => name)).sort();
}

function makeIn(dir?: string): Promise<string> {
  return Deno.makeTempDir({ prefix: "oci-test-", ...present({ dir }) });
}

function hasFreeMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync(SHARED_MEMORY);
    return bavail * bsize >= MIN_FREE_BYTES;
  } catch {
    return false;
  }
}
