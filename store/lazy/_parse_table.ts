import type { TarEntryType } from "../../layer/tar/tar_header.ts";
import { isDigest } from "../../spec/digest.ts";
import { isObject } from "../../spec/json.ts";
import { type ContentChunk, type TableEntry, TableError } from "./_table_entry.ts";

/** Maximum number of entries, including those of chunks. */
const MAX_ENTRIES = 250_000;
/** Maximum size of a chunk, which is held in memory until it is verified. */
const MAX_CHUNK_BYTES = 32 * 1024 * 1024;
/** Maximum number of decompressed bytes to skip before a file. */
const MAX_SKIPPED_BYTES = 64 * 1024 * 1024;
const MAX_NAME_LENGTH = 4096;

/** Types of entries by name. A map, because a name is untrusted text, such as `constructor`. */
const TYPES: ReadonlyMap<string, TarEntryType> = new Map([
  ["reg", "file"],
  ["dir", "directory"],
  ["symlink", "symlink"],
  ["hardlink", "hardlink"],
  ["char", "character-device"],
  ["block", "block-device"],
  ["fifo", "fifo"],
]);

/** Ends of contents by their start. */
type Ends = ReadonlyMap<number, number>;

/** A file whose chunks are being collected. */
interface OpenFile {
  readonly fields: Fields;
  readonly chunks: Fields[];
}

/**
 * Parses the entries of a table of contents: those of eStargz, and of zstd:chunked, which extends
 * them.
 *
 * @param dataEnd Offset in the blob at which the contents of files end.
 * @returns The entries of the layer, in their order.
 * @throws {TableError} If the table is invalid or too large, or a file is not verifiable.
 */
export function parseTable(json: unknown, dataEnd: number): readonly TableEntry[] {
  const { version, entries: list } = isObject(json) ? json : {};
  // Go writes an empty list as `null`.
  const entries = list === null ? [] : list;
  if (version !== 1 || !Array.isArray(entries)) throw new TableError("its version is not 1");
  if (entries.length > MAX_ENTRIES) throw new TableError("it has too many entries");
  const files: OpenFile[] = [];
  for (const entry of entries) {
    if (!isObject(entry)) throw new TableError("an entry is not an object");
    const fields = new Fields(entry);
    if (fields.text("type") !== "chunk") {
      files.push({ fields, chunks: [fields] });
      continue;
    }
    const file = files.at(-1);
    if (file === undefined || file.fields.text("name") !== fields.text("name")) {
      throw new TableError(`the chunk of "${fields.text("name")}" does not follow its file`);
    }
    file.chunks.push(fields);
  }
  const ends = endsOf(files, dataEnd);
  return files.map((file, number) => toEntry(file, number, ends, dataEnd));
}

/** Returns the end of the contents at each offset: the next offset at which contents start. */
function endsOf(files: readonly OpenFile[], dataEnd: number): Ends {
  const starts = files.flatMap(({ chunks }) => chunks.map((chunk) => chunk.integer("offset")));
  const sorted = Float64Array.from(new Set([...starts, dataEnd])).sort();
  return new Map(Array.from(sorted, (start, i) => [start, sorted[i + 1] ?? 0]));
}

function toEntry(
  file: OpenFile,
  number: number,
  ends: Ends,
  dataEnd: number,
): TableEntry {
  const { fields } = file;
  const type = TYPES.get(fields.text("type"));
  if (type === undefined) throw new TableError(`the type "${fields.text("type")}" is unknown`);
  const size = type === "file" ? fields.integer("size") : 0;
  const [mtime, mtimeNs] = fields.time("modtime");
  const header = {
    offset: number,
    type,
    path: fields.name("name"),
    linkname: fields.name("linkName"),
    mode: fields.integer("mode") & 0o7777,
    uid: fields.integer("uid"),
    gid: fields.integer("gid"),
    uname: "",
    gname: "",
    size,
    mtime,
    mtimeNs,
    devmajor: fields.integer("devMajor"),
    devminor: fields.integer("devMinor"),
    xattrs: fields.xattrs(),
  };
  return size === 0 ? { header } : { header, chunks: chunksOf(file, size, ends, dataEnd) };
}

/** Returns the end of the contents at an offset; 0 if it is unknown or invalid. */
function endAfter(ends: Ends, offset: number, declared: number, dataEnd: number): number {
  if (offset >= dataEnd || declared > dataEnd) return 0;
  return declared > 0 ? declared : ends.get(offset) ?? 0;
}

/** Returns the chunks of a file, which cover it without gaps and overlaps. */
function chunksOf(
  { fields, chunks }: OpenFile,
  size: number,
  ends: Ends,
  dataEnd: number,
): readonly ContentChunk[] {
  const name = fields.text("name");
  let position = 0;
  let last = 0;
  const contents = chunks.map((chunk, index) => {
    const isLast = index === chunks.length - 1;
    const chunkSize = chunk.integer("chunkSize") || (isLast ? size - position : 0);
    if (chunk.integer("chunkOffset") !== position || chunkSize <= 0) {
      throw new TableError(`the chunks of "${name}" overlap or leave gaps`);
    }
    if (chunkSize > MAX_CHUNK_BYTES) throw new TableError(`a chunk of "${name}" is too large`);
    position += chunkSize;
    const start = chunk.integer("offset");
    const skip = chunk.integer("innerOffset");
    const end = endAfter(ends, start, isLast ? fields.integer("endOffset") : 0, dataEnd);
    if (start < last || start >= end || skip > MAX_SKIPPED_BYTES) {
      throw new TableError(`the offsets of "${name}" are invalid`);
    }
    last = start;
    const content = { start, end, skip, size: chunkSize };
    if (chunk.text("chunkType") === "zeros") return content;
    // A file in one chunk may have only the digest of the file.
    const digest = chunk.text("chunkDigest") ||
      (chunks.length === 1 ? fields.text("digest") : "");
    if (!isDigest(digest)) throw new TableError(`"${name}" has no digest`);
    return { ...content, digest };
  });
  if (position !== size) throw new TableError(`the chunks of "${name}" do not cover it`);
  return contents;
}

/** The members of an entry, which are validated on access. Absent ones are empty or zero. */
class Fields {
  readonly #json: Readonly<Record<string, unknown>>;

  constructor(json: Readonly<Record<string, unknown>>) {
    this.#json = json;
  }

  text(key: string): string {
    const value = this.#json[key] ?? "";
    if (typeof value !== "string") throw new TableError(`"${key}" is not a string`);
    return value;
  }

  name(key: string): string {
    const name = this.text(key);
    // JSON cannot represent a name that is not UTF-8, so the table has a substitute.
    if (name.length > MAX_NAME_LENGTH || /[\0\ufffd]/.test(name) || !name.isWellFormed()) {
      throw new TableError("it does not contain the real name of an entry");
    }
    return name;
  }

  integer(key: string): number {
    const value = this.#json[key] ?? 0;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw new TableError(`"${key}" is not a valid number`);
    }
    return value;
  }

  /** Returns seconds and nanoseconds since 1970. */
  time(key: string): readonly [seconds: number, nanoseconds: number] {
    const text = this.text(key);
    if (text === "") return [0, 0];
    const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
    const ms = match === null ? NaN : Date.parse(`${match[1]}${match[3]}`);
    if (Number.isNaN(ms)) throw new TableError(`"${key}" is not a time`);
    return [ms / 1000, Number((match?.[2] ?? "").padEnd(9, "0"))];
  }

  xattrs(): ReadonlyMap<string, Uint8Array> {
    const value = this.#json.xattrs ?? {};
    if (!isObject(value)) throw new TableError('"xattrs" is not an object');
    return new Map(
      Object.entries(value).map(([name, text]) => {
        // An archive cannot contain such a name.
        if (name === "" || /[\0=]/.test(name)) {
          throw new TableError("the name of an extended attribute is invalid");
        }
        try {
          return [name, Uint8Array.fromBase64(String(text))];
        } catch {
          throw new TableError(`the extended attribute "${name}" is not in base64`);
        }
      }),
    );
  }
}
