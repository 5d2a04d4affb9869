import { LimitError } from "../../spec/errors.ts";
import type { Fail } from "./_codec.ts";
import type { Framing } from "./_framing.ts";
import { isSkippableMagic, ZSTD_MAGIC } from "./compression.ts";

/** Maximum size of a block (RFC 8878, section 3.1.1.2.4). */
const MAX_BLOCK = 131_072;

/** The part that is read next. Parts with a `?` are not buffered. */
type Part =
  | "magic"
  | "skippable size"
  | "skippable?"
  | "descriptor"
  | "frame header"
  | "block header"
  | "block?"
  | "checksum?";

/**
 * The framing of zstd (RFC 8878, section 3.1): finds frames without decoding them.
 *
 * `node:zlib` stops at the end of the first frame and at a skippable frame without an error, and
 * accepts a truncated frame. This class splits frames, drops skippable ones and detects truncation.
 */
export class ZstdFraming implements Framing {
  readonly #fail: Fail;
  readonly #maxWindow: number;
  #part: Part = "magic";
  /** Number of bytes of the part that have not arrived yet. */
  #left = 4;
  /** Bytes of a header: magic number and frame header together, or a block header. */
  readonly #bytes: Uint8Array = new Uint8Array(18);
  readonly #view: DataView = new DataView(this.#bytes.buffer);
  #filled = 0;
  /** Whether the codec is inside a frame. */
  #inFrame = false;
  #hasChecksum = false;
  #lastBlock = false;

  /** Creates the framing. `maxWindow` is in bytes. */
  constructor(fail: Fail, maxWindow: number) {
    this.#fail = fail;
    this.#maxWindow = maxWindow;
  }

  *split(chunk: Uint8Array): Generator<Uint8Array, void, number> {
    let at = 0;
    let from = 0;
    while (at < chunk.length) {
      const taken = Math.min(this.#left, chunk.length - at);
      if (!this.#part.endsWith("?")) {
        this.#bytes.set(chunk.subarray(at, at + taken), this.#filled);
        this.#filled += taken;
      }
      this.#left -= taken;
      at += taken;
      if (this.#left > 0) break;
      const inFrame = this.#inFrame;
      this.#endPart();
      if (!inFrame && this.#inFrame) {
        yield* this.#decode(this.#bytes.slice(0, this.#filled));
        this.#begin("block header", 3);
        from = at;
      } else if (inFrame && !this.#inFrame) {
        yield* this.#decode(chunk.subarray(from, at));
        from = at;
      }
    }
    if (this.#inFrame && from < at) yield* this.#decode(chunk.subarray(from, at));
  }

  end(): void {
    if (this.#part !== "magic" || this.#filled > 0) throw this.#fail("it is truncated");
  }

  *#decode(bytes: Uint8Array): Generator<Uint8Array, void, number> {
    const left = yield bytes;
    if (left > 0) throw this.#fail("a frame ends before its last block does");
  }

  #begin(part: Part, size: number): void {
    this.#part = part;
    this.#left = size;
    // The codec receives the magic number and the frame header together.
    if (part !== "descriptor" && part !== "frame header") this.#filled = 0;
  }

  #endPart(): void {
    switch (this.#part) {
      case "magic":
        return this.#endMagic();
      case "skippable size": {
        const size = this.#view.getUint32(0, true);
        return size === 0 ? this.#begin("magic", 4) : this.#begin("skippable?", size);
      }
      case "descriptor":
        return this.#begin("frame header", headerSize(this.#bytes[4] as number));
      case "frame header":
        this.#checkHeader();
        this.#inFrame = true;
        return;
      case "block header":
        return this.#endBlockHeader();
      case "block?":
        return this.#endBlock();
      default:
        this.#inFrame = false;
        return this.#begin("magic", 4);
    }
  }

  #endMagic(): void {
    const magic = this.#view.getUint32(0, true);
    if (magic === ZSTD_MAGIC) this.#begin("descriptor", 1);
    else if (isSkippableMagic(magic)) this.#begin("skippable size", 4);
    else throw this.#fail("data other than zstd follows a frame");
  }

  #checkHeader(): void {
    const descriptor = this.#bytes[4] as number;
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    if ((descriptor & 0x08) !== 0) throw this.#fail("a frame has a reserved bit set");
    const isSingle = (descriptor & 0x20) !== 0;
    const dictionary = 5 + (isSingle ? 0 : 1);
    const dictionarySize = DICTIONARY_SIZES[descriptor & 3] as number;
    const id = this.#bytes.subarray(dictionary, dictionary + dictionarySize);
    if (id.some((byte) => byte !== 0)) {
      throw this.#fail("a frame needs a dictionary, which layers cannot have");
    }
    const window = isSingle
      ? this.#contentSize(descriptor >> 6, dictionary + dictionarySize)
      : windowSize(this.#bytes[5] as number);
    if (window > this.#maxWindow) {
      const limit = "bytes of zstd window";
      throw new LimitError(limit, this.#maxWindow, window, "the layer", "maxWindow");
    }
  }

  /** Returns the content size, which is the window size of a single-segment frame. */
  #contentSize(flag: number, at: number): number {
    if (flag === 0) return this.#bytes[at] as number;
    if (flag === 1) return this.#view.getUint16(at, true) + 256;
    return flag === 2 ? this.#view.getUint32(at, true) : Number(this.#view.getBigUint64(at, true));
  }

  #endBlockHeader(): void {
    const header = this.#view.getUint16(0, true) | ((this.#bytes[2] as number) << 16);
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type === 3) throw this.#fail("a block has the reserved type");
    if (size > MAX_BLOCK) throw this.#fail("a block is larger than the format allows");
    this.#lastBlock = (header & 1) !== 0;
    // A block of type 1 stores one byte that is repeated.
    const stored = type === 1 ? 1 : size;
    if (stored === 0) this.#endBlock();
    else this.#begin("block?", stored);
  }

  #endBlock(): void {
    if (!this.#lastBlock) return this.#begin("block header", 3);
    if (this.#hasChecksum) return this.#begin("checksum?", 4);
    this.#inFrame = false;
    this.#begin("magic", 4);
  }
}

const DICTIONARY_SIZES = [0, 1, 2, 4];
const CONTENT_SIZES = [0, 2, 4, 8];

/** Returns the number of header bytes that follow the descriptor; never 0. */
function headerSize(descriptor: number): number {
  const isSingle = (descriptor & 0x20) !== 0;
  const content = CONTENT_SIZES[descriptor >> 6] as number;
  const dictionary = DICTIONARY_SIZES[descriptor & 3] as number;
  return dictionary + (isSingle ? Math.max(content, 1) : content + 1);
}

/** Decodes the size of a window (RFC 8878, section 3.1.1.1.2). */
function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + base / 8 * (byte & 7);
}
