import { TarError } from "../../layer/tar/tar_error.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { TarParser } from "../../layer/tar/tar_parser.ts";
import { comparePaths, isBelow } from "../../layer/trees/clean_path.ts";
import { describeError } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { quote } from "../../spec/json.ts";
import { ArchiveError } from "../errors.ts";
import type { ArchiveFile, EntryRange } from "./_archive_file.ts";
import { MAX_ARCHIVE_ENTRIES } from "./_archive_limits.ts";

const BLOCK = 512;
/** Headers are far apart, because contents between them are not read. */
const WINDOW_BYTES = 8 * 1024;

export interface ArchiveLink {
  readonly type: "symlink" | "hardlink";
  readonly target: string;
}

/** The entries of an archive, by their names without a leading `./`. */
export interface ArchiveEntries {
  readonly files: ReadonlyMap<string, EntryRange>;
  readonly links: ReadonlyMap<string, ArchiveLink>;
}

/**
 * Lists the entries of an archive and where their contents are. Seeks past the contents.
 *
 * Rejects names that lead out of the archive, occur twice, or are below an entry that is not a
 * directory: they can make programs that extract such an archive write elsewhere.
 *
 * @throws {ArchiveError} If it is damaged or hostile.
 */
export async function readArchiveEntries(
  file: ArchiveFile,
  signal?: AbortSignal,
): Promise<ArchiveEntries> {
  const names = new EntryNames(file.name);
  let position = 0;
  const parser = new TarParser({
    // The header is the last block that was pushed: its content follows.
    entry: (header) => names.add(header, position + BLOCK),
    data: () => {},
    end: () => {},
  }, { maxEntries: MAX_ARCHIVE_ENTRIES });
  const readBlock = blockReader(file);
  try {
    while (!parser.ended) {
      signal?.throwIfAborted();
      const skipped = Math.min(parser.skippable, file.size - position);
      if (skipped > 0) {
        parser.skip(skipped);
        position += skipped;
        continue;
      }
      const block = await readBlock(position);
      if (block.length === 0) break;
      parser.push(block);
      position += block.length;
    }
    parser.finish();
    names.finish();
  } catch (error) {
    if (!(error instanceof TarError) && !(error instanceof LimitError)) throw error;
    const why = error instanceof TarError
      ? `${error.problem} (byte ${error.offset})`
      : describeError(error);
    throw new ArchiveError(file.name, "damaged", why, { cause: error });
  }
  return names;
}

class EntryNames implements ArchiveEntries {
  readonly files = new Map<string, EntryRange>();
  readonly links = new Map<string, ArchiveLink>();
  /** Directories that have entries. */
  readonly #directories = new Set<string>();
  readonly #archive: string;

  constructor(archive: string) {
    this.#archive = archive;
  }

  add({ path, type, linkname, size, segments }: TarHeader, offset: number): void {
    const refuse = (state: string) => this.#refuse(path, state);
    const name = entryName(path) ?? refuse("leads out of the archive");
    if (name === "") return type === "directory" ? undefined : refuse("has no name");
    if (this.#isTaken(name)) refuse("occurs twice");
    if (type === "directory") return void this.#directories.add(name);
    if (this.#directories.has(name)) refuse("is a directory elsewhere in the archive");
    if (type === "symlink" || type === "hardlink") {
      return void this.links.set(name, { type, target: linkname });
    }
    if (type !== "file") refuse(`is a ${type}`);
    if (segments !== undefined) refuse("is a sparse file");
    this.files.set(name, { offset, size });
  }

  /**
   * Checks that each entry with entries below it is a directory. Compares all names at the end:
   * recording their parents would take too much memory, because a name can have two thousand.
   */
  finish(): void {
    const names = [...this.files.keys(), ...this.links.keys(), ...this.#directories];
    // In sorted order, names below another one directly follow it.
    names.sort(comparePaths);
    for (const [i, name] of names.entries()) {
      const previous = names[i - 1];
      const isInside = previous !== undefined && isBelow(name, previous);
      if (!isInside || this.#directories.has(previous)) continue;
      this.#refuse(name, "lies under an entry that is not a directory");
    }
  }

  #refuse(path: string, state: string): never {
    throw new ArchiveError(this.#archive, "hostile", `its entry ${quote(path)} ${state}`);
  }

  #isTaken(name: string): boolean {
    return this.files.has(name) || this.links.has(name);
  }
}

/** Returns the normalized name of an entry; `undefined` if it leads out of the archive. */
export function entryName(path: string): string | undefined {
  if (path.startsWith("/")) return undefined;
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return parts.includes("..") ? undefined : parts.join("/");
}

/** Returns a function that reads the block at a position; it is shorter at the end of the file. */
function blockReader(file: ArchiveFile): (position: number) => Promise<Uint8Array> {
  const buffer = new Uint8Array(WINDOW_BYTES);
  let [start, length] = [0, 0];
  return async (position) => {
    if (position < start || position + BLOCK > start + length) {
      start = position;
      length = await file.fill(buffer, position);
    }
    const at = position - start;
    return buffer.subarray(at, Math.min(at + BLOCK, length));
  };
}
