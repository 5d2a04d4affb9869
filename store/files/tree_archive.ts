import type { MemoryTree } from "../../layer/memory/memory_tree.ts";
import type { TarHeader, TarSink } from "../../layer/tar/tar_header.ts";
import type { TarLimits } from "../../layer/tar/tar_limits.ts";
import { TarParser } from "../../layer/tar/tar_parser.ts";
import { tarHeader, tarPadding } from "../../layer/tar/tar_writer.ts";
import type { FileStatus } from "../../layer/trees/file_tree.ts";
import type { Layer, UncompressedOptions } from "../images/image.ts";
import { ArchiveOrder, entryOf } from "./_archive_order.ts";
import { SparseRuns } from "./_sparse_runs.ts";
import { type ArchiveBytes, skipBytes } from "./archive_reader.ts";

const CHUNK_BYTES = 65_536;

/** Combines small chunks into large ones, because each write has a cost. */
async function* gather(
  batches: AsyncIterable<Iterable<Uint8Array<ArrayBuffer>>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let chunk = new Uint8Array(CHUNK_BYTES);
  let length = 0;
  for await (const pieces of batches) {
    for (const piece of pieces) {
      if (length + piece.length > CHUNK_BYTES) {
        yield chunk.subarray(0, length);
        chunk = new Uint8Array(CHUNK_BYTES);
        length = 0;
      }
      if (piece.length > CHUNK_BYTES) {
        yield piece;
        continue;
      }
      chunk.set(piece, length);
      length += piece.length;
    }
  }
  yield chunk.subarray(0, length);
}

/** A layer whose files are read one by one rather than from its archive. */
export interface FileContents {
  /** Opens the contents of its files in the tree, in the order of their places. */
  contents(): AsyncIterable<AsyncIterable<Uint8Array<ArrayBuffer>>>;
}

export interface TreeArchiveOptions extends UncompressedOptions, TarLimits {
  /**
   * Whether to write an entry for the root even if it equals the root of an empty tree.
   *
   * @default {false}
   */
  readonly describesRoot?: boolean | undefined;
  /**
   * Opens the archive of a layer at an offset without reading the bytes before it; `undefined` if
   * that is not possible. Without it, layers are read from their start.
   */
  readonly seek?: ((layer: Layer, offset: number) => Promise<ArchiveBytes | undefined>) | undefined;
}

type Layers = Iterable<Layer | FileContents | Promise<Layer>>;

/** Maximum number of bytes between two files of a layer to read rather than skip. */
const GAP_BYTES = 8_388_608;

/**
 * Writes the files of a tree as a tar archive in the form of {@linkcode exportImage}.
 *
 * @param tree The files, with the places of their contents.
 * @param layers The layers that they are in, the base first.
 */
export function archiveTree(
  tree: MemoryTree,
  layers: Layers,
  options: TreeArchiveOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  return gather(writeTree(tree, layers, options));
}

async function* writeTree(
  tree: MemoryTree,
  layers: Layers,
  { describesRoot = false, seek, ...options }: TreeArchiveOptions,
): AsyncGenerator<Iterable<Uint8Array<ArrayBuffer>>, void, void> {
  const order = new ArchiveOrder(tree);
  const contents = new Contents(tree);
  const root = tree.status("");
  if (root !== undefined && (describesRoot || isDescribed(root))) {
    yield [tarHeader(entryOf(tree, "", root))];
  }
  let index = 0;
  for await (const layer of layers) {
    const place = index++;
    const next = () => contents.nextIn(place);
    if (next() === undefined) continue;
    const picker = new ContentPicker(tree, place, contents, order);
    if ("contents" in layer) {
      yield* copyContents(layer, picker, next);
      continue;
    }
    yield* pickContents(layer, picker, {
      next,
      seek: seek && ((offset) => seek(layer, offset)),
      whole: () => layer.uncompressed(options),
      limits: options,
    });
  }
  yield order.finish();
  yield [new Uint8Array(1024)];
}

interface LayerContents {
  /** Returns the offset of the next entry to pick; `undefined` if none is left. */
  next(): number | undefined;
  /** Opens the archive at an offset. */
  readonly seek: ((offset: number) => Promise<ArchiveBytes | undefined>) | undefined;
  /** Opens the archive from its start. */
  whole(): Promise<ArchiveBytes>;
  readonly limits: TarLimits;
}

async function* pickContents(
  { digest }: Layer,
  picker: ContentPicker,
  { next, seek, whole, limits }: LayerContents,
): AsyncGenerator<Iterable<Uint8Array<ArrayBuffer>>, void, void> {
  let isSeekable = seek !== undefined;
  for (let start = next(); start !== undefined; start = next()) {
    const sought = isSeekable && start > GAP_BYTES ? await seek?.(start) : undefined;
    isSeekable &&= sought !== undefined || start <= GAP_BYTES;
    const base = picker.base = sought === undefined ? 0 : start;
    const parser = new TarParser(picker, limits);
    const isFar = () => (next() ?? Infinity) - base - parser.position > GAP_BYTES;
    const parse = async function* (archive: ArchiveBytes) {
      for await (const chunk of archive) {
        parser.push(chunk);
        yield picker.take();
        // The rest was verified when the tree was created from it.
        if (picker.isIdle && (next() === undefined || isSeekable && isFar())) return;
      }
      if (!picker.isIdle || next() !== undefined) {
        throw new Error(`Cannot read the layer ${digest}: its index and its archive differ`);
      }
    };
    try {
      yield* parse(sought ?? await whole());
    } catch (error) {
      if (sought === undefined) throw error;
      // The data is unexpected, for example a second gzip member. Read the whole layer.
      isSeekable = false;
      yield* parse(skipBytes(await whole(), base + parser.position));
    }
  }
}

async function* copyContents(
  layer: FileContents,
  picker: ContentPicker,
  next: () => number | undefined,
): AsyncGenerator<Iterable<Uint8Array<ArrayBuffer>>, void, void> {
  for await (const content of layer.contents()) {
    const offset = next();
    if (offset === undefined) break;
    picker.entry({ offset });
    let position = 0;
    for await (const chunk of content) {
      picker.data(chunk, position);
      position += chunk.length;
      yield picker.take();
    }
    picker.end();
    yield picker.take();
  }
}

/** Whether a root differs from that of an empty tree; layers need not describe it. */
function isDescribed({ mode, uid, gid, mtime, mtimeNs }: FileStatus): boolean {
  return mode !== 0o755 || uid !== 0 || gid !== 0 || mtime !== 0 || mtimeNs !== 0;
}

/** Paths of the files, in the order of their contents in the layers. */
class Contents {
  readonly #contents: ReturnType<MemoryTree["contents"]>;
  #next: ReturnType<ReturnType<MemoryTree["contents"]>["next"]>;

  constructor(tree: MemoryTree) {
    this.#contents = tree.contents();
    this.#next = this.#contents.next();
  }

  /** Returns the offset of the next file in a layer; `undefined` if there is none. */
  nextIn(layer: number): number | undefined {
    if (this.#next.done || this.#next.value.layer !== layer) return undefined;
    return this.#next.value.offset;
  }

  /** Returns the paths of the file whose header is at an offset in a layer. */
  take(layer: number, offset: number): readonly string[] {
    const paths: string[] = [];
    while (!this.#next.done) {
      const { value } = this.#next;
      if (value.layer !== layer || value.offset !== offset) break;
      paths.push(value.path);
      this.#next = this.#contents.next();
    }
    return paths;
  }
}

/** Selects the contents of a layer's archive that are in the image. */
class ContentPicker implements TarSink {
  readonly #tree: MemoryTree;
  readonly #layer: number;
  readonly #contents: Contents;
  readonly #order: ArchiveOrder;
  /** Paths of the current entry, if it is in the image. */
  #paths: readonly string[] = [];
  /** Data segments of the current file, if it is sparse. */
  #runs: SparseRuns | undefined;
  #stored = 0;
  /** Generators write the headers, because a million hard links of one file would need a gigabyte. */
  #output: Iterable<Uint8Array<ArrayBuffer>>[] = [];
  /** Offset in the layer's archive at which the parser started. */
  base = 0;

  constructor(tree: MemoryTree, layer: number, contents: Contents, order: ArchiveOrder) {
    this.#tree = tree;
    this.#layer = layer;
    this.#contents = contents;
    this.#order = order;
  }

  /** Whether the current entry is complete. */
  get isIdle(): boolean {
    return this.#paths.length === 0;
  }

  entry({ offset, segments }: Pick<TarHeader, "offset" | "segments">): void {
    this.#paths = this.#contents.take(this.#layer, this.base + offset);
    this.#stored = 0;
    this.#runs = segments && new SparseRuns(segments);
    const [path] = this.#paths;
    const status = path === undefined ? undefined : this.#tree.status(path);
    if (path === undefined || status === undefined) return;
    const entry = { ...entryOf(this.#tree, path, status), segments: this.#runs?.segments };
    this.#output.push(this.#order.write(entry));
  }

  data(chunk: Uint8Array, offset: number): void {
    if (this.#paths.length === 0) return;
    const content = chunk as Uint8Array<ArrayBuffer>;
    for (const piece of this.#runs?.fill(content, offset) ?? [content]) {
      this.#stored += piece.length;
      this.#output.push([piece]);
    }
  }

  end(): void {
    const [path, ...links] = this.#paths;
    const status = path === undefined ? undefined : this.#tree.status(path);
    if (path === undefined || status === undefined) return;
    const { mode, uid, gid, mtime, mtimeNs } = status;
    const link = { type: "hardlink", linkname: path, mode, uid, gid, mtime, mtimeNs } as const;
    const headers = links.values().flatMap((path) => this.#order.write({ ...link, path }));
    this.#output.push([tarPadding(this.#stored)], headers);
    this.#paths = [];
  }

  /** Returns the bytes since the last call, which must be read before the next one. */
  take(): Iterable<Uint8Array<ArrayBuffer>> {
    const output = this.#output;
    this.#output = [];
    return output.values().flatMap((pieces) => pieces);
  }
}
