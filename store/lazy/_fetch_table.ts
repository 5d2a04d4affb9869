import { DecompressStream } from "../../layer/compression/decompress_stream.ts";
import { BLOCK } from "../../layer/tar/tar_fields.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { UntarStream } from "../../layer/tar/untar_stream.ts";
import { isDigest } from "../../spec/digest.ts";
import { parseDocument } from "../../spec/json_reader.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import { parseTable } from "./_parse_table.ts";
import { type BlobSource, readRange } from "./_read_range.ts";
import { type TableEntry, TableError } from "./_table_entry.ts";
import { type ChunkedTable, chunkedTable, STARGZ_DIGEST } from "./has_table.ts";

const STARGZ_FOOTER_BYTES = 51;
/** Name of a table in errors. */
const TABLE = "the table of contents";
const STARGZ_TABLE_NAME = "stargz.index.json";
/** Maximum size of a table. A larger one would take more memory than reading the layer. */
const MAX_TABLE_BYTES = 24 * 1024 * 1024;
/**
 * Share of a layer to fetch with the footer, and its limits. Most tables fit into it. Fetching more
 * bytes than needed takes no longer than a second request.
 */
const TAIL_SHARE = 1 / 512;
const MIN_TAIL_BYTES = 64 * 1024;
const MAX_TAIL_BYTES = 1536 * 1024;

/** A table of contents. */
export interface LayerTable {
  readonly entries: readonly TableEntry[];
  /** Compressed size. */
  readonly bytes: number;
}

/**
 * Fetches the table of contents of a layer, and compares it with the digest in the manifest.
 *
 * @param maxBytes Maximum compressed size.
 * @throws {TableError} If the table cannot be used, or is larger.
 * @throws {DigestMismatchError} If its digest is wrong.
 */
export async function fetchTable(
  layer: BlobSource,
  signal: AbortSignal | undefined,
  maxBytes: number = MAX_TABLE_BYTES,
): Promise<LayerTable> {
  const { annotations = {} } = layer.descriptor;
  const limit = Math.min(maxBytes, MAX_TABLE_BYTES);
  // nerdctl also adds the annotation of eStargz to a zstd:chunked layer, so look for it last.
  const chunked = chunkedTable(annotations);
  return chunked === undefined
    ? await fetchStargzTable(layer, annotations[STARGZ_DIGEST] ?? "", signal, limit)
    : await fetchChunkedTable(layer, chunked, signal, limit);
}

async function fetchStargzTable(
  layer: BlobSource,
  digest: string,
  signal: AbortSignal | undefined,
  maxBytes: number,
): Promise<LayerTable> {
  const { size } = layer.descriptor;
  if (!isDigest(digest) || size < STARGZ_FOOTER_BYTES) throw new TableError("it has no footer");
  const tailBytes = Math.ceil(size * TAIL_SHARE);
  const tailAt = Math.max(
    0,
    size - Math.min(Math.max(tailBytes, MIN_TAIL_BYTES), MAX_TAIL_BYTES),
  );
  const tail = await readRange(layer, tailAt, size, signal);
  const end = size - STARGZ_FOOTER_BYTES;
  const start = parseFooter(tail.subarray(tail.length - STARGZ_FOOTER_BYTES));
  if (start >= end) throw new TableError("its footer is invalid");
  if (end - start > maxBytes) throw new TableError("it is too large");
  const head = start < tailAt ? await readRange(layer, start, Math.min(tailAt, end), signal) : "";
  const rest = tail.subarray(Math.max(0, start - tailAt), tail.length - STARGZ_FOOTER_BYTES);
  const { header, bytes } = await readTableFile(decompress([head, rest], 2 * MAX_TABLE_BYTES));
  await verifyBytes(bytes, { digest }, TABLE);
  const entries = parse(bytes, start);
  // The table does not list itself, although it is a file of the archive.
  const content = { start, end, skip: header.offset + BLOCK, size: header.size, digest };
  const own = { header: { ...header, offset: entries.length }, chunks: [content] };
  return { entries: [...entries, own], bytes: end - start };
}

/** Reads the table in an archive. */
async function readTableFile(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<{ readonly header: TarHeader; readonly bytes: Uint8Array<ArrayBuffer> }> {
  for await (const { header, readable } of archive.pipeThrough(new UntarStream())) {
    if (header.path !== STARGZ_TABLE_NAME || readable === undefined) {
      await readable?.cancel();
      continue;
    }
    if (header.size > MAX_TABLE_BYTES) throw new TableError("it is too large");
    return { header, bytes: await new Response(readable).bytes() };
  }
  throw new TableError("it is missing");
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
  layer: BlobSource,
  { digest, position }: ChunkedTable,
  signal: AbortSignal | undefined,
  maxBytes: number,
): Promise<LayerTable> {
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
  if (size > MAX_TABLE_BYTES || compressedSize > maxBytes) {
    throw new TableError("it is too large");
  }
  const compressed = await readRange(layer, start, end, signal);
  await verifyBytes(compressed, { digest }, layer.source);
  const table = await new Response(decompress([compressed], size)).bytes();
  return { entries: parse(table, start), bytes: compressedSize };
}

function parse(bytes: Uint8Array<ArrayBuffer>, dataEnd: number): readonly TableEntry[] {
  let json: unknown;
  try {
    json = parseDocument(bytes, TABLE).value();
  } catch {
    throw new TableError("it is not valid JSON, or too large");
  }
  return parseTable(json, dataEnd);
}

function decompress(
  parts: BlobPart[],
  maxBytes: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob(parts).stream().pipeThrough(new DecompressStream({ maxBytes }));
}
