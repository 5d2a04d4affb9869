import { checkIntegers } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { ExtendedHeaders, isExtended } from "./_extended.ts";
import { SparseMap } from "./_sparse.ts";
import { type Entry, readEntry } from "./_tar_entry.ts";
import { TarError } from "./tar_error.ts";
import { BLOCK, checkBlock, paddingSize, parseNumber } from "./tar_fields.ts";
import type { TarHeader, TarSegment, TarSink } from "./tar_header.ts";
import { type AllTarLimits, type TarLimits, withDefaults } from "./tar_limits.ts";

/**
 * Maximum size of an archive without entries. Go's `archive/tar` writes 1024 zeros and GNU tar a
 * record of 10,240.
 */
export const MAX_EMPTY_BYTES = 10_240;

/** What the next bytes belong to. */
type State =
  | "header"
  | "second zero block"
  | "extended header"
  | "sparse blocks"
  | "sparse body"
  | "body"
  | "skip"
  | "ended"
  | "failed";

/**
 * Parses a tar archive that is pushed in chunks of any size, and passes its entries to a
 * {@linkcode TarSink}.
 *
 * Supports v7, ustar, pax, star and GNU with long names, all four sparse formats, base-256 numbers
 * and incremental dumps. The sink receives views of the pushed chunks, without copies. Between two
 * chunks the parser keeps at most one header.
 *
 * Ambiguous archives are interpreted as in Go's `archive/tar`, with these exceptions: records of a
 * pax `g` header other than names apply to all following entries, as in POSIX, but must not set
 * sizes; an unknown type is an error, and so is an extended header without an entry, or an entry
 * with a pax path and another GNU long name. Volume headers (`V`) are skipped, and Solaris' `X` is
 * read as `x`. Hard links have no body, whatever their size.
 *
 * The archive ends at two zero blocks, or at the end of the input after a complete entry, with or
 * without padding. Anything after the zero blocks is ignored, unless there is no entry before them:
 * other formats, such as file system images, also begin with zeros.
 *
 * @example List the symbolic links of a layer
 * ```ts
 * import { DecompressStream, TarParser } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 * const links: string[] = [];
 *
 * const parser = new TarParser({
 *   entry({ type, path, linkname }) {
 *     if (type === "symlink") links.push(`${path} -> ${linkname}`);
 *   },
 *   data() {},
 *   end() {},
 * });
 * for await (const chunk of layer.readable.pipeThrough(new DecompressStream())) parser.push(chunk);
 * parser.finish();
 *
 * assertEquals(links, ["bin/sh -> busybox"]);
 * ```
 */
export class TarParser {
  readonly #sink: TarSink;
  readonly #limits: AllTarLimits;
  readonly #extended: ExtendedHeaders;
  #state: State = "header";
  /** Offset of the current chunk in the archive. */
  #base = 0;
  #entries = 0;

  /** A block that spans several chunks. */
  readonly #block: Uint8Array = new Uint8Array(BLOCK);
  #filled = 0;

  /** Number of missing bytes of the body, and size of the padding after it. */
  #remaining = 0;
  #padding = 0;

  #entry: Entry | undefined;
  #map: SparseMap | undefined;
  /** Segments of the file, and the position in them. */
  #segments: readonly TarSegment[] = [];
  #segment = 0;
  #written = 0;

  /**
   * Creates a parser that passes entries to a sink.
   *
   * @throws {RangeError} If a limit is not a number >= 0.
   */
  constructor(sink: TarSink, limits: TarLimits = {}) {
    this.#sink = sink;
    this.#limits = withDefaults(limits);
    this.#extended = new ExtendedHeaders(this.#limits);
  }

  /** Number of bytes of the archive so far. */
  get position(): number {
    return this.#base;
  }

  /** Whether the two zero blocks at the end were read. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /**
   * Number of the next bytes that are content or padding, which a reader can seek past; 0 within
   * headers and in the content of a sparse file.
   */
  get skippable(): number {
    if (this.#state === "skip") return this.#remaining;
    return this.#state === "body" && this.#segments.length === 1 ? this.#remaining : 0;
  }

  /**
   * Skips bytes as if they had been pushed, without calling the sink.
   *
   * @param count Number of bytes, at most {@linkcode TarParser.skippable}.
   * @throws {RangeError} If that many bytes cannot be skipped.
   */
  skip(count: number): void {
    this.#assertUsable();
    checkIntegers("skip bytes of a tar archive", { count }, 0, this.skippable);
    this.#base += count;
    this.#remaining -= count;
    if (this.#remaining > 0 || count === 0) {
      this.#written += count;
    } else if (this.#state === "body") {
      this.#endBody();
    } else {
      this.#endNonContent();
    }
  }

  /**
   * Parses a chunk and calls the sink, whose errors are rethrown. After an error, the parser
   * accepts no more chunks.
   *
   * @param chunk The next bytes; the caller may reuse them after the call.
   * @throws {TarError} If the archive is damaged or unsupported.
   * @throws {LimitError} If the archive exceeds a limit.
   */
  push(chunk: Uint8Array): void {
    this.#assertUsable();
    try {
      this.#read(chunk);
    } catch (error) {
      this.#state = "failed";
      throw error;
    }
    this.#base += chunk.length;
  }

  /**
   * Checks that the archive is complete. Call it once, after the last chunk.
   *
   * @throws {TarError} If the archive ends within an entry or a header.
   */
  finish(): void {
    this.#assertUsable();
    if (this.#state === "ended") return;
    const { pending } = this.#extended;
    if (!this.#mayEnd()) {
      const entry = this.#entry?.header.path;
      throw new TarError("the archive is truncated here", { offset: this.#base, entry });
    }
    if (pending !== undefined) this.#failWithoutEntry(pending);
    this.#state = "ended";
  }

  /** Whether the archive may end here. Some programs, such as umoci, omit the last padding. */
  #mayEnd(): boolean {
    if (this.#filled > 0) return false;
    if (this.#state === "skip") return this.#remaining <= this.#padding;
    return this.#state === "header" || this.#state === "second zero block";
  }

  #assertUsable(): void {
    if (this.#state !== "failed") return;
    throw new TarError("the parser has already failed", { offset: this.#base });
  }

  #failWithoutEntry(offset: number): never {
    throw new TarError("no entry follows the extended header", { offset });
  }

  #read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && this.#state !== "ended") {
      if (this.#state === "body") at += this.#readBody(chunk, at);
      else if (this.#state === "skip" || this.#state === "extended header") {
        at += this.#readNonContent(chunk, at);
      } else at += this.#readPartOfBlock(chunk, at);
    }
    if (this.#entries === 0 && at < chunk.length) this.#rejectOther(chunk, at);
  }

  /** Rejects data after the end of an archive without entries, unless it is padding. */
  #rejectOther(chunk: Uint8Array, at: number): void {
    const last = chunk.length;
    while (at < last && chunk[at] === 0) at++;
    if (at === last && this.#base + at <= MAX_EMPTY_BYTES) return;
    const offset = this.#base + at;
    throw new TarError("it begins like an empty tar archive, but other data follows", { offset });
  }

  #readPartOfBlock(chunk: Uint8Array, at: number): number {
    if (this.#filled === 0 && chunk.length - at >= BLOCK) {
      this.#readBlock(chunk, at, this.#base + at);
      return BLOCK;
    }
    const taken = Math.min(BLOCK - this.#filled, chunk.length - at);
    this.#block.set(chunk.subarray(at, at + taken), this.#filled);
    this.#filled += taken;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#readBlock(this.#block, 0, this.#base + at + taken - BLOCK);
    }
    return taken;
  }

  #readBlock(block: Uint8Array, at: number, offset: number): void {
    if (this.#state === "sparse blocks") {
      if (!this.#map?.addOldGnu(block, at, true)) this.#beginSparse();
      return;
    }
    if (this.#state === "sparse body") {
      this.#remaining -= BLOCK;
      if (this.#remaining < 0) this.#failSparse();
      if (this.#map?.addBody(block, at)) this.#beginSparse();
      return;
    }
    const check = checkBlock(block, at);
    if (check === "zero") return this.#readZero();
    if (check === "damaged") {
      throw new TarError("the checksum of the header is invalid", { offset });
    }
    if (this.#state === "second zero block") {
      throw new TarError("it follows a single zero block, but two zero blocks end an archive", {
        offset,
      });
    }
    this.#readHeader(block, at, offset);
  }

  #readZero(): void {
    const { pending } = this.#extended;
    if (pending !== undefined) this.#failWithoutEntry(pending);
    this.#state = this.#state === "second zero block" ? "ended" : "second zero block";
  }

  #readHeader(block: Uint8Array, at: number, offset: number): void {
    const flag = String.fromCharCode(block[at + 156] as number);
    if (isExtended(flag) || flag === "V") {
      const size = parseNumber(block, at + 124, at + 136);
      if (!Number.isSafeInteger(size) || size < 0) {
        throw new TarError("the size in the header is invalid", { offset });
      }
      if (flag === "V") this.#extended.take(offset);
      else this.#extended.begin(offset, flag, size);
      this.#remaining = size;
      this.#padding = paddingSize(size);
      if (flag === "V") this.#skip();
      else this.#state = "extended header";
      if (size === 0) this.#endNonContent();
      return;
    }
    if (++this.#entries > this.#limits.maxEntries) {
      const { maxEntries: max } = this.#limits;
      throw new LimitError("entries", max, this.#entries, "a tar archive", "maxEntries");
    }
    const entry = readEntry(block, at, this.#extended.take(offset), this.#limits);
    this.#entry = entry;
    this.#remaining = entry.stored;
    this.#padding = paddingSize(entry.stored);
    if (entry.sparse !== undefined) return this.#readSparse(entry, block, at);
    this.#beginBody(entry.header, entry.stored === 0 ? [] : [{ offset: 0, size: entry.stored }]);
  }

  #readSparse(entry: Entry, block: Uint8Array, at: number): void {
    this.#map = new SparseMap(entry.header.offset, this.#limits.maxSegments);
    if (entry.sparse === "body") {
      this.#state = "sparse body";
      if (this.#remaining === 0) this.#failSparse();
    } else if (entry.sparse === "blocks") {
      this.#state = "sparse blocks";
      if (!this.#map.addOldGnu(block, at, false)) this.#beginSparse();
    } else {
      if (entry.header.pax !== undefined) this.#map.addRecords(entry.header.pax);
      this.#beginSparse();
    }
  }

  #failSparse(): never {
    const { offset = this.#base, path } = this.#entry?.header ?? {};
    throw new TarError("the sparse map is truncated", { offset, entry: path });
  }

  #beginSparse(): void {
    if (this.#entry === undefined || this.#map === undefined) return;
    const { header } = this.#entry;
    this.#map.check(header.size, this.#remaining);
    const { segments } = this.#map;
    this.#map = undefined;
    this.#beginBody({ ...header, segments }, segments);
  }

  #beginBody(header: TarHeader, segments: readonly TarSegment[]): void {
    this.#sink.entry(header);
    this.#segments = segments;
    this.#segment = 0;
    this.#written = 0;
    // Directories of incremental dumps have a body, a list of names, which is skipped.
    if (segments.length > 0 && header.type === "file") this.#state = "body";
    else this.#endBody();
  }

  #readBody(chunk: Uint8Array, at: number): number {
    const segment = this.#segments[this.#segment];
    if (segment === undefined) this.#failSparse();
    const taken = Math.min(segment.size - this.#written, chunk.length - at);
    const bytes = taken === chunk.length ? chunk : chunk.subarray(at, at + taken);
    this.#sink.data(bytes, segment.offset + this.#written);
    this.#written += taken;
    this.#remaining -= taken;
    if (this.#written === segment.size) {
      this.#segment++;
      this.#written = 0;
    }
    if (this.#segment === this.#segments.length) this.#endBody();
    return taken;
  }

  #endBody(): void {
    this.#sink.end();
    this.#skip();
  }

  /** Skips the rest of a body and its padding. */
  #skip(): void {
    this.#remaining += this.#padding;
    this.#state = this.#remaining > 0 ? "skip" : "header";
    if (this.#state === "header") this.#entry = undefined;
  }

  /** Reads bytes that are not content: extended headers, padding and skipped bodies. */
  #readNonContent(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#remaining, chunk.length - at);
    if (this.#state === "extended header") this.#extended.write(chunk.subarray(at, at + taken));
    this.#remaining -= taken;
    if (this.#remaining === 0) this.#endNonContent();
    return taken;
  }

  #endNonContent(): void {
    if (this.#state === "extended header") {
      this.#extended.end();
      this.#skip();
    } else {
      this.#state = "header";
      this.#entry = undefined;
    }
  }
}
