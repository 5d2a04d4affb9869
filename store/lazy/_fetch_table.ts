import { openDecompressor } from "../../layer/compression/open_decompressor.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { TarParser } from "../../layer/tar/tar_parser.ts";
import { isDigest } from "../../spec/digest.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import { parseJson } from "../../spec/json_reader.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import { parseTable } from "./_parse_table.ts";
import { readRange } from "./_read_range.ts";
import { type TableEntry, TableError } from "./_table_entry.ts";
import { type ChunkedTable, chunkedTable, STARGZ_DIGEST } from "./has_table.ts";

const STARGZ_FOOTER_BYTES = 51;
const STARGZ_TABLE_NAME = "stargz.index.json";
/** Maximum size of a table. A larger one would take more memory than reading the layer. */
const MAX_TABLE_BYTES = 24 * 1024 * 1024;
/** Number of bytes to fetch with the footer: enough for the table of a small layer. */
const TAIL_BYTES = 64 * 1024;

/**
 * Fetches the table of contents of a layer, and compares it with the digest in the manifest.
 *
 * @throws {TableError} If the table cannot be used.
 * @throws {DigestMismatchError} If its digest is wrong.
 */
export async function fetchTable(
  layer: RemoteLayer,
  signal: AbortSignal | undefined,
): Promise<readonly TableEntry[]> {
  const { annotations = {} } = layer.descriptor;
  // nerdctl also adds the annotation of eStargz to a zstd:chunked layer, so look for it last.
  const chunked = chunkedTable(annotations);
  return chunked === undefined
    ? await fetchStargzTable(layer, annotations[STARGZ_DIGEST] ?? "", signal)
    : await fetchChunkedTable(layer, chunked, signal);
}

async function fetchStargzTable(
  layer: RemoteLayer,
  digest: string,
  signal: AbortSignal | undefined,
): Promise<readonly TableEntry[]> {
  const { size } = layer.descriptor;
  if (!isDigest(digest) || size < STARGZ_FOOTER_BYTES) throw new TableError("it has no footer");
  const tailAt = Math.max(0, size - TAIL_BYTES);
  const tail = await readRange(layer, tailAt, size, signal);
  const end = size - STARGZ_FOOTER_BYTES;
  const start = parseFooter(tail.subarray(tail.length - STARGZ_FOOTER_BYTES));
  if (start >= end || end - start > MAX_TABLE_BYTES) throw new TableError("its footer is invalid");
  const rest = tail.subarray(Math.max(0, start - tailAt), tail.length - STARGZ_FOOTER_BYTES);
  const parts = [
    ...(start < tailAt ? [await readRange(layer, start, Math.min(tailAt, end), signal)] : []),
    rest,
  ];
  const json = new FileFinder(STARGZ_TABLE_NAME);
  const parser = new TarParser(json);
  await decompress(parts, (bytes) => parser.push(bytes));
  return await parse(json.content, digest, start);
}

/** Start of the footer: the header of a gzip member with an extra field. */
const FOOTER_HEAD = [0x1f, 0x8b, 8, 4];
/** Position and bytes of the length of that field, and of the name and length of its subfield. */
const FOOTER_FIELD_AT = 10;
const FOOTER_FIELD = [26, 0, 0x53, 0x47, 22, 0];

/** Returns the offset of the table, which is in the extra field of an empty gzip member. */
function parseFooter(footer: Uint8Array): number {
  const textAt = FOOTER_FIELD_AT + FOOTER_FIELD.length;
  const text = String.fromCharCode(...footer.subarray(textAt, textAt + 22));
  const isFooter = FOOTER_HEAD.every((byte, index) => footer[index] === byte) &&
    FOOTER_FIELD.every((byte, index) => footer[FOOTER_FIELD_AT + index] === byte) &&
    /^[0-9a-f]{16}STARGZ$/.test(text);
  const offset = isFooter ? parseInt(text, 16) : NaN;
  if (!Number.isSafeInteger(offset)) throw new TableError("it has no footer");
  return offset;
}

async function fetchChunkedTable(
  layer: RemoteLayer,
  { digest, position }: ChunkedTable,
  signal: AbortSignal | undefined,
): Promise<readonly TableEntry[]> {
  const [start = NaN, compressedSize = NaN, size = NaN, type = NaN] = position.split(":").map(
    Number,
  );
  const isValid = [start, compressedSize, size].every((value) => {
    return Number.isSafeInteger(value) && value > 0;
  });
  const end = start + compressedSize;
  if (!isValid || type !== 1 || !isDigest(digest) || end > layer.descriptor.size) {
    throw new TableError("the annotations of the layer are invalid");
  }
  if (Math.max(size, compressedSize) > MAX_TABLE_BYTES) throw new TableError("it is too large");
  const compressed = await readRange(layer, start, end, signal);
  await verifyBytes(compressed, { digest }, layer.source);
  const table = new Collector(size);
  await decompress([compressed], (bytes) => table.push(bytes));
  return await parse(table.bytes, undefined, start);
}

async function parse(
  bytes: Uint8Array<ArrayBuffer>,
  digest: `${string}:${string}` | undefined,
  dataEnd: number,
): Promise<readonly TableEntry[]> {
  if (digest !== undefined) await verifyBytes(bytes, { digest }, "the table of contents");
  let json: unknown;
  try {
    json = parseJson(bytes, "the table of contents");
  } catch {
    throw new TableError("it is not valid JSON, or too large");
  }
  return parseTable(json, dataEnd);
}

async function decompress(
  parts: readonly Uint8Array[],
  emit: (bytes: Uint8Array) => void,
): Promise<void> {
  using decompressor = openDecompressor({ maxBytes: 2 * MAX_TABLE_BYTES });
  for (const part of parts) await decompressor.push(part, emit);
  await decompressor.finish();
}

/** Collects bytes up to a limit. */
class Collector {
  readonly #memory: Uint8Array<ArrayBuffer>;
  #size = 0;

  constructor(size: number) {
    this.#memory = new Uint8Array(size);
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#memory.subarray(0, this.#size);
  }

  push(chunk: Uint8Array): void {
    if (this.#size + chunk.length > this.#memory.length) {
      throw new TableError("it exceeds its declared size");
    }
    this.#memory.set(chunk, this.#size);
    this.#size += chunk.length;
  }
}

/** Keeps the content of one file of an archive. */
class FileFinder {
  readonly #name: string;
  #collector: Collector | undefined;
  #isOpen = false;

  constructor(name: string) {
    this.#name = name;
  }

  get content(): Uint8Array<ArrayBuffer> {
    if (this.#collector === undefined) throw new TableError("it is missing");
    return this.#collector.bytes;
  }

  entry({ type, path, size }: TarHeader): void {
    this.#isOpen = type === "file" && path === this.#name && this.#collector === undefined;
    if (!this.#isOpen) return;
    if (size > MAX_TABLE_BYTES) throw new TableError("it is too large");
    this.#collector = new Collector(size);
  }

  data(chunk: Uint8Array): void {
    if (this.#isOpen) this.#collector?.push(chunk);
  }

  end(): void {
    this.#isOpen = false;
  }
}
