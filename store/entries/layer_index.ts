import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import { decodeName } from "../../layer/file_name.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { childPath, countUpTo, leafName } from "../../layer/trees/clean_path.ts";
import type { FileStatus, FileType } from "../../layer/trees/file_tree.ts";
import { SELINUX_XATTR } from "../../layer/trees/host_xattrs.ts";
import type { Digest } from "../../spec/digest.ts";
import * as format from "./_index_format.ts";
import type { LayerListing, ListedEntry } from "./layer_listing.ts";
import { LayerMarks } from "./layer_marks.ts";

/** A filter of paths takes as long as this number of lookups for each row. */
const LOOKUPS_PER_ROW = 1 / 8;

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
const ROOT_STATUS: FileStatus = {
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  nlink: 1,
  mtime: 0,
  mtimeNs: 0,
  dev: 1,
  ino: 0,
  devmajor: 0,
  devminor: 0,
};

/** An index of the entries of a layer, in the format of `makeIndex()`. */
export class LayerIndex implements LayerListing {
  /** Unit of the offsets of entries. */
  readonly offsetUnit: "byte" | "entry" = "byte";
  readonly marks: LayerMarks;
  readonly dependencies: readonly string[];
  /**
   * Whether the index lists the result of extracting the layer alone. Otherwise, use only
   * {@linkcode LayerIndex.headers}.
   */
  readonly isSimple: boolean;
  /** Digest of the archive that the entries were read from. */
  readonly diffId: Digest;
  /** Number of rows, which are in the order of a tree walk. */
  readonly rows: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #records: number;
  readonly #textAt: number;
  /** All texts, if they are ASCII: one call decodes them faster than one for each of a few names. */
  readonly #ascii: string | undefined;
  /** Number of lookups before there is a filter. */
  #lookups = 0;
  #filter: PathFilter | undefined;
  /** Rows of hard links by the row of their file. */
  #links: ReadonlyMap<number, readonly number[]> | undefined;

  private constructor(bytes: Uint8Array, diffId: Digest) {
    this.#bytes = bytes;
    this.diffId = diffId;
    const view = this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.rows = view.getUint32(format.ROWS, true);
    this.#records = this.rows + view.getUint32(format.MARKS, true);
    this.#textAt = format.HEAD_BYTES + this.#records * format.RECORD_BYTES;
    this.#ascii = decodeAscii(bytes.subarray(this.#textAt));
    this.isSimple = view.getUint32(format.IS_SIMPLE, true) === 1;
    const dependencies = new Set<string>();
    const removed = new Set<string>();
    const opaque = new Set<string>();
    for (let number = this.rows; number < this.#records; number++) {
      const mark = parseWhiteout(this.pathOf(number));
      if (mark.kind !== "whiteout" && mark.kind !== "opaque") continue;
      const { directory } = mark;
      if (mark.kind === "opaque") opaque.add(directory);
      else removed.add(childPath(directory, mark.name));
      if (this.flagsOf(number) & format.DEPENDENCY) dependencies.add(directory);
    }
    for (let number = 0; number < this.rows; number++) {
      if (this.flagsOf(number) & format.DEPENDENCY) dependencies.add(this.pathOf(number));
    }
    this.marks = new LayerMarks(removed, opaque);
    this.dependencies = [...dependencies];
  }

  /**
   * Reads an index.
   *
   * @returns The index; `undefined` if it is damaged or of another version.
   */
  static async read(bytes: Uint8Array<ArrayBuffer>): Promise<LayerIndex | undefined> {
    const diffId = await format.readDiffId(bytes, format.INDEX_MAGIC);
    return diffId && new LayerIndex(bytes, diffId);
  }

  at(path: string): ListedEntry | undefined {
    if (path !== "" && !this.#mayHave(path)) return undefined;
    // The last one of several entries for the path.
    const last = countUpTo(this.rows, (number) => this.pathOf(number), path) - 1;
    if (last >= 0 && this.pathOf(last) === path) return new IndexedEntry(this, last);
    return path === "" ? new IndexedEntry(this, undefined) : undefined;
  }

  /**
   * Returns `false` only if there is no entry at a path. The layers above may depend on millions of
   * directories, most of which this layer lacks.
   */
  #mayHave(path: string): boolean {
    if (++this.#lookups < this.rows * LOOKUPS_PER_ROW) return true;
    this.#filter ??= new PathFilter(this.rows, this.#paths());
    return this.#filter.mayHave(path);
  }

  *#paths(): Generator<string, void, void> {
    for (let number = 0; number < this.rows; number++) yield this.pathOf(number);
  }

  /** Returns the rows of the hard links to the file of a row. */
  linksTo(file: number): readonly number[] {
    this.#links ??= Map.groupBy(
      this.#hardLinks(),
      (number) => this.wordAt(number, format.ROOT) - 1,
    );
    return this.#links.get(file) ?? [];
  }

  *#hardLinks(): Generator<number, void, void> {
    for (let number = 0; number < this.rows; number++) {
      if (this.wordAt(number, format.ROOT) !== 0) yield number;
    }
  }

  /** Size of the archive up to its last entry. */
  get archiveBytes(): number {
    let bytes = 0;
    for (let number = 0; number < this.#records; number++) {
      bytes = Math.max(bytes, this.offsetOf(number));
    }
    return bytes;
  }

  /** Yields the headers of all entries in the order of the archive, with clean paths. */
  *headers(): Generator<TarHeader, void, void> {
    const numbers: number[] = [];
    for (let number = 0; number < this.#records; number++) {
      const isMade = this.flagsOf(number) & format.UNDESCRIBED;
      if (!isMade) numbers.push(number);
    }
    for (const number of numbers.sort((a, b) => this.offsetOf(a) - this.offsetOf(b))) {
      const [path, linkname] = [this.pathOf(number), this.linkOf(number)];
      yield { ...this.numbersOf(number), path, linkname, ...this.extraOf(number) };
    }
  }

  flagsOf(number: number): number {
    return this.#view.getUint8(this.#place(number) + format.FLAGS);
  }

  typeOf(number: number): TarHeader["type"] {
    const type = this.#view.getUint8(this.#place(number) + format.TYPE);
    return format.TYPES[type] ?? "file";
  }

  numbersOf(number: number): ReturnType<typeof format.readNumbers> {
    return format.readNumbers(this.#view, this.#place(number));
  }

  offsetOf(number: number): number {
    return this.#view.getFloat64(this.#place(number) + format.OFFSET, true);
  }

  wordAt(number: number, field: number): number {
    return this.#view.getUint32(this.#place(number) + field, true);
  }

  pathOf(number: number): string {
    return this.#text(number, 0, this.wordAt(number, format.PATH_LENGTH));
  }

  linkOf(number: number): string {
    const from = this.wordAt(number, format.PATH_LENGTH);
    return this.#text(number, from, this.wordAt(number, format.LINK_LENGTH));
  }

  extraOf(number: number): ReturnType<typeof format.decodeExtra> {
    const length = this.wordAt(number, format.EXTRA_LENGTH);
    const from = this.wordAt(number, format.PATH_LENGTH) + this.wordAt(number, format.LINK_LENGTH);
    return format.decodeExtra(length === 0 ? "" : this.#text(number, from, length));
  }

  #place(number: number): number {
    return format.HEAD_BYTES + number * format.RECORD_BYTES;
  }

  #text(number: number, from: number, length: number): string {
    const start = this.wordAt(number, format.TEXT) + from;
    if (this.#ascii !== undefined) return this.#ascii.slice(start, start + length);
    const at = this.#textAt + start;
    return decodeName(this.#bytes.subarray(at, at + length));
  }
}

/** Decodes ASCII. Returns `undefined` for bytes that contain others. */
function decodeAscii(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes);
  // A valid character takes more bytes than code units, and U+FFFD replaces invalid ones.
  return text.length === bytes.length && !text.includes("\ufffd") ? text : undefined;
}

/** A row of an index, or a root directory without an entry. */
class IndexedEntry implements ListedEntry {
  readonly #index: LayerIndex;
  readonly #number: number | undefined;
  /** Row with the metadata: for a hard link, that of its file. */
  readonly #file: number;

  constructor(index: LayerIndex, number: number | undefined) {
    this.#index = index;
    this.#number = number;
    const root = number === undefined ? 0 : index.wordAt(number, format.ROOT);
    this.#file = root === 0 ? number ?? 0 : root - 1;
  }

  get type(): FileType {
    // A hard link has the type of its file.
    const type = this.#number === undefined ? "directory" : this.#index.typeOf(this.#file);
    return type === "hardlink" ? "file" : type;
  }

  get isUndescribed(): boolean {
    return this.#number === undefined ||
      (this.#index.flagsOf(this.#number) & format.UNDESCRIBED) !== 0;
  }

  get target(): string {
    return this.type === "symlink" ? this.#index.linkOf(this.#file) : "";
  }

  get nlink(): number {
    return this.#number === undefined ? 1 : this.#index.wordAt(this.#file, format.NLINK);
  }

  get offset(): number {
    return this.#index.offsetOf(this.#file);
  }

  status(): FileStatus {
    if (this.#number === undefined) return ROOT_STATUS;
    const { type } = this;
    const index = this.#index;
    const file = this.#file;
    const isDevice = type === "character-device" || type === "block-device";
    const { devmajor, devminor } = isDevice ? index.extraOf(file) : { devmajor: 0, devminor: 0 };
    const { mode, uid, gid, size, mtime, mtimeNs } = index.numbersOf(file);
    return {
      type,
      mode: type === "symlink" ? 0o777 : mode,
      uid,
      gid,
      size: type === "file" ? size : this.target.length,
      nlink: this.nlink,
      mtime,
      mtimeNs,
      dev: 1,
      ino: file + 1,
      devmajor,
      devminor,
    };
  }

  xattrs(): ReadonlyMap<string, Uint8Array> {
    if (this.#number === undefined) return NO_XATTRS;
    const { xattrs } = this.#index.extraOf(this.#file);
    if (xattrs.size === 0) return NO_XATTRS;
    // An extraction leaves it out as well.
    return new Map([...xattrs].filter(([name]) => name !== SELINUX_XATTR));
  }

  names(): readonly string[] {
    const rows = [this.#file, ...this.#index.linksTo(this.#file)];
    return rows.map((number) => this.#index.pathOf(number));
  }

  *children(): Generator<readonly [string, ListedEntry], void, void> {
    const index = this.#index;
    const isRoot = this.#number === undefined ||
      index.wordAt(this.#number, format.PATH_LENGTH) === 0;
    const end = isRoot ? index.rows : index.wordAt(this.#file, format.END);
    for (let number = (this.#number ?? -1) + 1; number < end;) {
      const path = index.pathOf(number);
      const isLast = (index.flagsOf(number) & format.SUPERSEDED) === 0;
      if (isLast) yield [leafName(path), new IndexedEntry(index, number)];
      number = Math.max(number + 1, index.wordAt(number, format.END));
    }
  }
}

/** Number of bits for each path: one path of sixteen that are not in the filter seems to be. */
const BITS_PER_PATH = 16;

/** A set of paths that may contain further ones, and takes two bytes for each path. */
class PathFilter {
  readonly #bits: Uint32Array;

  /** Creates the filter of some paths. */
  constructor(count: number, paths: Iterable<string>) {
    this.#bits = new Uint32Array(Math.ceil(count * BITS_PER_PATH / 32) + 1);
    for (const path of paths) {
      const bit = this.#bitOf(path);
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | 1 << (bit & 31);
    }
  }

  /** Returns `false` only if the path is not in the set. */
  mayHave(path: string): boolean {
    const bit = this.#bitOf(path);
    return ((this.#bits[bit >>> 5] ?? 0) >>> (bit & 31) & 1) === 1;
  }

  #bitOf(path: string): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < path.length; i++) {
      hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
    }
    // The last characters alone would only affect the low bits.
    hash ^= hash >>> 15;
    return (Math.imul(hash, 0x85ebca6b) >>> 0) % (this.#bits.length * 32);
  }
}
