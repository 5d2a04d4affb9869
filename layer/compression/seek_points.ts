/** Size of the deflate window: how far back compressed data may refer. */
export const WINDOW_BYTES = 32_768;
/** Minimum distance between two points, in decompressed bytes. The windows take 1/32 of that. */
export const SPAN_BYTES = 1_048_576;
/** Maximum number of points: 8 MiB of windows. In a larger layer, points are further apart. */
const MAX_POINTS = 256;

/**
 * Number of boundaries that may be refused, and number of decompressed bytes for one more. Each one
 * has a cost, and blocks may be empty: a megabyte can contain almost a million of them.
 */
const MIN_REFUSED = 64;
const BYTES_PER_REFUSED = 1024;

/**
 * Number of last bytes that are passed on one by one: the trailer of a gzip member, and the last
 * byte of the data.
 */
const TRAILER_BYTES = 9;

/** A position in gzip data at which decompression can start. */
export interface SeekPoint {
  /** Offset of the decompressed bytes. */
  readonly offset: number;
  /** Offset in the blob of the first byte that has not been used at all. */
  readonly blobOffset: number;
  /** Number of unused bits, 0 to 7, in the byte before `blobOffset`. */
  readonly bits: number;
  /** The decompressed bytes before the point. */
  readonly window: Uint8Array;
}

/**
 * Collects points at which decompression can start while gzip data is decompressed: boundaries of
 * deflate blocks, with the 32 KiB before them.
 */
export class SeekPointRecorder {
  #points: SeekPoint[] = [];
  #span = SPAN_BYTES;
  #next = SPAN_BYTES;
  #refused = 0;

  /** The points, in order. */
  get points(): readonly SeekPoint[] {
    return this.#points;
  }

  /** Whether the next block boundary should be offered. */
  isDue(bytesOut: number): boolean {
    return bytesOut >= this.#next && this.#refused < MIN_REFUSED + bytesOut / BYTES_PER_REFUSED;
  }

  /**
   * Records a block boundary as a point if its bit alignment is certain and its window is
   * available.
   *
   * @param input Compressed bytes.
   * @param at Index in `input` of the first byte that has not been used at all.
   * @param blobOffset Offset of that byte in the blob.
   * @param output Decompressed bytes up to the boundary.
   * @param bytesOut Offset of the boundary in the decompressed bytes.
   */
  offer(
    input: Uint8Array,
    at: number,
    blobOffset: number,
    output: Uint8Array,
    bytesOut: number,
  ): void {
    if (!this.isDue(bytesOut)) return;
    const bits = output.length < WINDOW_BYTES ? undefined : alignmentOf(input, at);
    if (bits === undefined) {
      this.#refused++;
      return;
    }
    const window = output.slice(output.length - WINDOW_BYTES);
    this.#points.push({ offset: bytesOut, blobOffset, bits, window });
    if (this.#points.length > MAX_POINTS) {
      this.#points = this.#points.filter((_, index) => index % 2 === 0);
      this.#span *= 2;
    }
    this.#next = bytesOut + this.#span;
  }
}

/**
 * Determines how many bits of the last used byte belong to the next deflate block, which zlib does
 * not report. Tries each number, and looks for the header of a block with dynamic Huffman codes
 * (RFC 1951, section 3.2.7).
 *
 * @returns The number; `undefined` if none or more than one fits.
 */
function alignmentOf(input: Uint8Array, at: number): number | undefined {
  // The part of the header before the codes has at most 74 bits.
  if (at < 1 || at + 10 > input.length) return undefined;
  let found: number | undefined;
  for (let bits = 0; bits < 8; bits++) {
    if (!beginsDynamicBlock(input, at * 8 - bits)) continue;
    if (found !== undefined) return undefined;
    found = bits;
  }
  return found;
}

/** Whether the header of a block with dynamic codes begins at a bit. The codes must be complete. */
function beginsDynamicBlock(input: Uint8Array, start: number): boolean {
  let at = start;
  const read = (count: number) => {
    let value = 0;
    for (let bit = 0; bit < count; bit++, at++) {
      value |= ((input[at >> 3] as number) >> (at & 7) & 1) << bit;
    }
    return value;
  };
  read(1);
  if (read(2) !== 2) return false;
  if (read(5) > 29 || read(5) > 29) return false;
  let used = 0;
  for (let count = read(4) + 4; count > 0; count--) {
    const length = read(3);
    if (length > 0) used += 128 >> length;
  }
  return used === 128;
}

/**
 * Decompresses from a point.
 *
 * @param point The point.
 * @param chunks The compressed bytes, from {@linkcode seekStart} up to the end of the blob.
 * @returns The decompressed bytes after the point, up to the end of the gzip member. Reading past
 * it fails, and so does reading to the end of any member but the last.
 */
export async function* inflateFrom(
  point: SeekPoint,
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let skipped = 0;
  // Web streams do not support dictionaries; a stored block with the window replaces one.
  for await (const chunk of inflate("deflate-raw", resume(point, chunks))) {
    const from = Math.min(WINDOW_BYTES - skipped, chunk.length);
    skipped += from;
    if (from < chunk.length) yield chunk.subarray(from);
  }
}

/**
 * Decompresses from the start of a blob, for bytes before the first point. Starts much faster than
 * `node:zlib`.
 *
 * @param chunks All bytes of the blob.
 * @returns The decompressed bytes of the first gzip member. Reading past it fails, and so does
 * reading a blob that is not compressed with gzip.
 */
export function inflateStart(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  return inflate("gzip", chunks);
}

async function* inflate(
  format: "gzip" | "deflate-raw",
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const { readable, writable } = new DecompressionStream(format);
  const written = writeTo(writable, split(chunks));
  try {
    yield* readable;
  } finally {
    // Leave no open file behind.
    await written;
  }
}

/**
 * Writes chunks as fast as the other end is read. Errors reach the reader of that end. This starts
 * much faster than `pipeTo()`.
 */
async function writeTo(
  writable: WritableStream<BufferSource>,
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): Promise<void> {
  const writer = writable.getWriter();
  try {
    for await (const chunk of chunks) await writer.write(chunk);
    await writer.close();
  } catch (error) {
    await writer.abort(error);
  }
}

/** Returns the offset in the blob of the first byte that {@linkcode inflateFrom} needs. */
export function seekStart({ blobOffset, bits }: SeekPoint): number {
  return bits === 0 ? blobOffset : blobOffset - 1;
}

/**
 * Yields a stored block with the window, then empty blocks that end at the bit where the next block
 * begins, then the compressed bytes unchanged. Shifting all of them would take longer than
 * decompressing them.
 */
async function* resume(
  { bits, window }: SeekPoint,
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const size = window.length;
  const head = [0, size & 0xff, size >> 8, ~size & 0xff, ~size >> 8 & 0xff];
  const tail = emptyBlocks((8 - bits) % 8);
  const start = new Uint8Array(head.length + size + tail.length);
  start.set(head);
  start.set(window, head.length);
  start.set(tail, head.length + size);
  if (bits === 0) {
    yield start;
    return yield* chunks;
  }
  let isFirst = true;
  for await (const chunk of chunks) {
    if (!isFirst || chunk.length === 0) {
      yield chunk;
      continue;
    }
    isFirst = false;
    const last = start.length - 1;
    // The unused bits of a byte are its upper ones.
    start[last] = (start[last] ?? 0) | (chunk[0] ?? 0) & 0xff << (8 - bits);
    yield start;
    yield chunk.subarray(1);
  }
}

/** Fields of a deflate block, as values and bit counts, lowest bit first. */
type Fields = readonly (readonly [value: number, bits: number])[];

/** An empty block with fixed codes: 10 bits. */
const EVEN_BLOCK: Fields = [[0, 1], [1, 2], [0, 7]];
/**
 * An empty block with dynamic codes: 99 bits. Only the symbols 254 and 255, which are not used, and
 * 256, the end of the block, have codes; no distance has one.
 */
const ODD_BLOCK: Fields = [
  ...[[0, 1], [2, 2], [0, 5], [0, 5], [14, 4]] as const,
  // The lengths of the codes for lengths, in the order 16, 17, 18, 0, 8, … 2, 14, 1.
  ...[0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2].map((length) => [length, 3] as const),
  // 138 and 116 zeros, the lengths 1, 2 and 2, and the zero of the distance.
  ...[[3, 2], [127, 7], [3, 2], [105, 7], [2, 2], [1, 2], [1, 2], [0, 2]] as const,
  [3, 2],
];

/**
 * Returns empty blocks.
 *
 * @param end Number of bits, 0 to 7, of the last byte that the blocks use.
 */
function emptyBlocks(end: number): readonly number[] {
  const blocks: Fields[] = end % 2 === 1 ? [ODD_BLOCK] : [];
  const lengthOf = () => blocks.flat().reduce((sum, [, bits]) => sum + bits, 0);
  while (lengthOf() % 8 !== end) blocks.push(EVEN_BLOCK);
  const bytes: number[] = new Array(Math.ceil(lengthOf() / 8)).fill(0);
  let at = 0;
  for (const [value, bits] of blocks.flat()) {
    for (let bit = 0; bit < bits; bit++, at++) {
      bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (value >> bit & 1) << (at & 7);
    }
  }
  return bytes;
}

/**
 * Passes the last bytes on one by one. If a chunk contains bytes after the end of the data, the
 * decompressor fails without returning the data before them.
 */
async function* split(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let tail = new Uint8Array();
  for await (const chunk of chunks) {
    // Only short chunks are copied.
    const isShort = chunk.length < TRAILER_BYTES;
    const bytes = isShort ? new Uint8Array([...tail, ...chunk]) : chunk;
    if (!isShort && tail.length > 0) yield tail;
    const end = Math.max(0, bytes.length - TRAILER_BYTES);
    if (end > 0) yield bytes.subarray(0, end);
    tail = bytes.slice(end);
  }
  for (let at = 0; at < tail.length; at++) yield tail.subarray(at, at + 1);
}
