import type { LayerLimits } from "../../layer/extraction/layer_limits.ts";
import { BLOCK, checkBlock, parseNumber } from "../../layer/tar/tar_fields.ts";
import { type ArchiveBytes, skipBytes } from "./archive_reader.ts";

/** Offsets of fields in a header. */
const SIZE_AT = 124;
const SIZE_LENGTH = 12;
const TYPE_AT = 156;
const PLAIN_FILE = "0".charCodeAt(0);

/** Opens the archive of a layer at an offset. */
export interface ArchiveAccess {
  /** Opens the archive at an offset; `undefined` if it can only be read from the start. */
  readonly seek: (offset: number) => Promise<ArchiveBytes | undefined>;
  /** Opens the whole archive, which is verified as it is read. */
  readonly whole: () => Promise<ArchiveBytes>;
  readonly limits: LayerLimits;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the content of a file of a layer, with holes as zeros.
 *
 * @param offset Offset of the header of the file.
 */
export async function* readEntryContent(
  source: ArchiveAccess,
  offset: number,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let done = 0;
  const bytes = await source.seek(offset);
  if (bytes !== undefined) {
    try {
      for await (const chunk of contentOf(bytes, size, source.limits)) {
        done += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (source.signal?.aborted) throw error;
      // The data is unexpected, for example a second gzip member. Read the whole layer.
    }
  }
  const archive = skipBytes(await source.whole(), offset);
  yield* skipBytes(contentOf(archive, size, source.limits), done);
}

/** Reads the content of the first file of an archive. */
async function* contentOf(archive: ArchiveBytes, size: number, limits: LayerLimits): ArchiveBytes {
  const chunks = archive[Symbol.asyncIterator]();
  try {
    let head = new Uint8Array();
    while (head.length < BLOCK) {
      const { done, value } = await chunks.next();
      if (done) throw truncated();
      head = head.length === 0 ? value : new Uint8Array([...head, ...value]);
    }
    const whole = (async function* () {
      yield head;
      yield* { [Symbol.asyncIterator]: () => chunks };
    })();
    if (isPlainFile(head, size)) yield* firstBytes(skipBytes(whole, BLOCK), size);
    else yield* firstFile(whole, size, limits);
  } finally {
    await chunks.return?.();
  }
}

async function* firstBytes(bytes: ArchiveBytes, size: number): ArchiveBytes {
  let left = size;
  for await (const chunk of bytes) {
    const content = chunk.subarray(0, left);
    left -= content.length;
    if (content.length > 0) yield content;
    if (left === 0) return;
  }
  if (left > 0) throw truncated();
}

/** Parses the first file of an archive, with extended headers and holes. */
async function* firstFile(archive: ArchiveBytes, size: number, limits: LayerLimits): ArchiveBytes {
  const { UntarStream } = await import("../../layer/tar/untar_stream.ts");
  const entries = ReadableStream.from(archive).pipeThrough(new UntarStream(limits));
  for await (const { header, readable } of entries) {
    if (readable !== undefined && header.size === size) return yield* readable;
    break;
  }
  throw new Error("Cannot read a file of a layer: its index and its archive differ");
}

function truncated(): Error {
  return new Error("Cannot read a file of a layer: the archive ends before the file does");
}

/**
 * Whether an archive begins with a file of this size without extended headers or holes. Most files
 * are like that, and need no parser.
 */
function isPlainFile(archive: Uint8Array, size: number): boolean {
  return archive[TYPE_AT] === PLAIN_FILE && checkBlock(archive, 0) === "header" &&
    parseNumber(archive, SIZE_AT, SIZE_AT + SIZE_LENGTH) === size;
}
