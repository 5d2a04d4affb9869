import { extractLayer } from "../../layer/extraction/extract_layer.ts";
import type { FileStatus } from "../../layer/trees/file_tree.ts";
import { areIds, MAX_ID } from "../../layer/trees/owner_ids.ts";
import { OwnershipError } from "../../layer/errors.ts";
import { type ContentPlace, MemoryTree } from "../../layer/trees/memory_tree.ts";
import { stageLayer } from "../../layer/extraction/staged_layer.ts";
import type { TarHeader, TarSink } from "../../layer/tar/tar_header.ts";
import { TarParser } from "../../layer/tar/tar_parser.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image.ts";
import { followPath } from "../host/follow_path.ts";
import type { LayerListener } from "../content/layer_listener.ts";
import { type LayerListing, StagedListing } from "./_layer_listing.ts";
import { LayerStack } from "./_layer_stack.ts";
import { bringLayer } from "../content/bring_layer.ts";
import type { ContentStore } from "../content/content_store.ts";
import { type Layer, StoredLayer } from "./image.ts";

/** Options for {@linkcode ImageFiles}. */
export interface ImageFilesOptions extends LayerListener {
  /**
   * Whether to reject owners that no file can have, as extraction does.
   *
   * @default {false}
   */
  readonly checkOwners?: boolean | undefined;
  /** Aborts the work. Downloaded layers stay. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A file of an image. */
export interface ImageFile {
  /** Path in the image, without a leading slash. */
  readonly path: string;
  /** Metadata of the file. */
  readonly status: FileStatus;
  /** Target of a symlink; empty for other types. */
  readonly target: string;
  /** Extended attributes by name. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/**
 * The files of an image as a container would see them, read without unpacking the image.
 *
 * Layers are downloaded into the store as needed, verified, and read from there. Nothing else is
 * written.
 *
 * @example Read a file of an image
 * ```ts no-assert
 * import { type ContentStore, type Image, ImageFiles } from "@x/oci/store";
 *
 * async function release(store: ContentStore, image: Image): Promise<string | undefined> {
 *   const files = new ImageFiles(store, image);
 *   const content = await files.read("etc/os-release");
 *   return content && await new Response(content).text();
 * }
 * ```
 */
export class ImageFiles {
  readonly #store: ContentStore;
  readonly #layers: readonly RemoteLayer[];
  readonly #options: ImageFilesOptions;
  readonly #listings = new Map<number, Promise<LayerListing | undefined>>();
  #stack: LayerStack;
  #whole: Promise<MemoryTree> | undefined;

  /** Creates the view of an image. Layers that are not in the store are downloaded. */
  constructor(store: ContentStore, image: RemoteImage, options: ImageFilesOptions = {}) {
    this.#store = store;
    this.#layers = image.layers;
    this.#options = options;
    this.#stack = this.#newStack();
  }

  /**
   * Finds a file. Searches the layers from the top one down, until one has the file or hides it,
   * and reads on below a layer that does not describe the directories that it uses, as they may be
   * symlinks in a lower one. Follows symlinks in the path within the image.
   *
   * @param path Path of the file.
   * @param followLast Whether to follow a symlink at the end of the path.
   * @returns The file, or `undefined` if the image has nothing at the path.
   * @throws {ExtractError} If a layer is damaged.
   */
  async find(path: string, followLast = true): Promise<ImageFile | undefined> {
    const found = await this.#locate(path, followLast);
    return found && describe(found.entries, found.path);
  }

  /**
   * Reads a file. Follows symlinks in the path within the image.
   *
   * @param path Path of the file.
   * @returns The content, with holes as zeros; `undefined` if the image has nothing at the path.
   * @throws {Deno.errors.IsADirectory} If the path is a directory.
   * @throws {Deno.errors.NotSupported} If the path is another entry without content.
   */
  async read(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    const found = await this.#locate(path, true);
    if (found === undefined) return undefined;
    const type = found.entries.status(found.path)?.type;
    if (type === "directory") {
      throw new Deno.errors.IsADirectory(`Cannot read "${path}" of the image: it is a directory`);
    }
    if (type !== "file") {
      throw new Deno.errors.NotSupported(`Cannot read "${path}" of the image: it is a ${type}`);
    }
    const { layer, offset } = found.place;
    return ReadableStream.from(this.#content(await this.layer(layer), offset));
  }

  /**
   * Reads a file as UTF-8 text. Follows links in the path within the image.
   *
   * @param path Path of the file.
   * @returns The text, or `undefined` if the image has nothing at the path.
   * @throws {Deno.errors.IsADirectory} If the path is a directory.
   * @throws {Deno.errors.NotSupported} If the path is another entry without content.
   */
  async readText(path: string): Promise<string | undefined> {
    const content = await this.read(path);
    return content && await new Response(content).text();
  }

  /**
   * Lists a directory recursively, each directory before its entries, with names in the order of
   * their code units. Reads all layers.
   *
   * @param path Path of the directory; symlinks in it are followed. A file is listed alone.
   * @returns The files; none if the image has nothing at the path.
   */
  async *list(path = ""): AsyncGenerator<ImageFile, void, void> {
    const tree = await this.tree();
    const { real } = followPath(tree, path, { followLast: true });
    if (real === undefined) return;
    const file = describe(tree, real);
    if (real !== "") yield file;
    if (file.status.type === "directory") yield* walk(tree, real);
  }

  /** Returns the names and metadata of all files of the image. Reads all layers. */
  async tree(): Promise<MemoryTree> {
    return await (this.#whole ??= this.#flatten());
  }

  /**
   * Returns a layer, after downloading it into the store if it is missing.
   *
   * @param index Index of the layer; 0 is the base.
   * @returns The layer.
   */
  async layer(index: number): Promise<Layer> {
    const layer = this.#layers[index];
    if (layer === undefined) throw new RangeError(`Cannot find layer ${index}: there is none`);
    await bringLayer(this.#store, layer, this.#options);
    return new StoredLayer(this.#store, layer.descriptor, layer.diffId);
  }

  async #locate(path: string, followLast: boolean): Promise<LocatedFile | undefined> {
    if (this.#whole === undefined) {
      const found = await this.#stack.find(path, followLast);
      if (found === undefined) return undefined;
      if (found !== "unknown") {
        const { layer, listing, path } = found;
        return { entries: listing, path, place: { layer, offset: listing.offsetOf(path) } };
      }
    }
    const tree = await this.tree();
    const { real } = followPath(tree, path, { followLast });
    return real === undefined
      ? undefined
      : { entries: tree, path: real, place: tree.placeOf(real) };
  }

  #newStack(): LayerStack {
    return new LayerStack(this.#layers.length, (index) => this.#listing(index));
  }

  #listing(index: number): Promise<LayerListing | undefined> {
    let listing = this.#listings.get(index);
    if (listing === undefined) this.#listings.set(index, listing = this.#readListing(index));
    return listing;
  }

  async #readListing(index: number): Promise<LayerListing | undefined> {
    const tree = new MemoryTree();
    if (index === 0) {
      // There is nothing below the base.
      await this.#extract(index, tree, extractLayer);
      return new StagedListing(tree, NOTHING_BELOW);
    }
    const staged = await this.#extract(index, tree, stageLayer);
    return staged && new StagedListing(tree, staged);
  }

  async #flatten(): Promise<MemoryTree> {
    // The tree replaces the listings; keeping both would take too much memory.
    this.#listings.clear();
    this.#stack = this.#newStack();
    const tree = new MemoryTree();
    for (const index of this.#layers.keys()) await this.#extract(index, tree, extractLayer);
    return tree;
  }

  async #extract<T>(
    index: number,
    tree: MemoryTree,
    extract: (
      stream: ReadableStream<Uint8Array>,
      tree: MemoryTree,
      options: Parameters<typeof stageLayer>[2],
    ) => Promise<T>,
  ): Promise<T> {
    const { signal, onWarning, checkOwners = false } = this.#options;
    const layer = await this.layer(index);
    return await extract(await layer.compressed({ signal }), tree, {
      descriptor: layer.descriptor,
      diffId: layer.diffId,
      ownership: "strict",
      handler: (header) => {
        if (checkOwners) assertOwner(header, layer.digest);
        tree.place = { layer: index, offset: header.offset };
        return header;
      },
      signal,
      onWarning,
    });
  }

  /** Reads the content of the entry whose header is at an offset in the archive. */
  async *#content(
    layer: Layer,
    offset: number,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const { signal } = this.#options;
    const content = new EntryContent(offset);
    const parser = new TarParser(content);
    for await (const chunk of await layer.uncompressed({ signal })) {
      parser.push(chunk);
      yield* content.take();
      if (content.isComplete) return;
    }
  }
}

const HOLE_BYTES = 65_536;

/** Extracts the content of one entry from an archive. */
class EntryContent implements TarSink {
  /** Whether the entry has been read completely. */
  isComplete = false;
  readonly #offset: number;
  #header: TarHeader | undefined;
  /** Offset up to which the content has been read. */
  #end = 0;
  /** Chunks of bytes, and sizes of holes. */
  #pieces: (Uint8Array | number)[] = [];

  constructor(offset: number) {
    this.#offset = offset;
  }

  entry(header: TarHeader): void {
    if (header.offset === this.#offset) this.#header = header;
  }

  data(chunk: Uint8Array, position: number): void {
    if (this.#header === undefined || this.isComplete) return;
    this.#pieces.push(position - this.#end, chunk);
    this.#end = position + chunk.length;
  }

  end(): void {
    if (this.#header === undefined || this.isComplete) return;
    this.#pieces.push(this.#header.size - this.#end);
    this.isComplete = true;
  }

  /** Returns the content read since the last call. */
  *take(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (const piece of this.#pieces) {
      if (typeof piece !== "number") yield piece as Uint8Array<ArrayBuffer>;
      else {for (let left = piece; left > 0; left -= HOLE_BYTES) {
          yield new Uint8Array(Math.min(HOLE_BYTES, left));
        }}
    }
    this.#pieces = [];
  }
}

/** A file of an image, and where its content is. */
interface LocatedFile {
  readonly entries: Pick<LayerListing, "status" | "readLink" | "xattrsOf">;
  readonly path: string;
  readonly place: ContentPlace;
}

/** What the base of an image does to the layers below it. */
const NOTHING_BELOW = { whiteouts: [], implied: [], undescribed: [], opaque: [] };

/** Returns the entries below a directory. */
function* walk(tree: MemoryTree, directory: string): Generator<ImageFile, void, void> {
  const open = [{ directory, names: tree.names(directory) }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { done, value: name } = top.names.next();
    if (done) {
      open.pop();
      continue;
    }
    const file = describe(tree, top.directory === "" ? name : `${top.directory}/${name}`);
    yield file;
    if (file.status.type === "directory") {
      open.push({ directory: file.path, names: tree.names(file.path) });
    }
  }
}

function assertOwner({ path, offset, uid, gid }: TarHeader, layer: string): void {
  if (areIds(uid, gid)) return;
  throw new OwnershipError(
    { layer, path, offset },
    { uid, gid },
    `its owner ${uid}:${gid} is invalid, as the largest ID is ${MAX_ID}; ` +
      "report it to the author of the image",
  );
}

function describe(entries: LocatedFile["entries"], path: string): ImageFile {
  const status = entries.status(path);
  if (status === undefined) throw new Deno.errors.NotFound(`"${path}" is gone`);
  const target = status.type === "symlink" ? entries.readLink(path) : "";
  return { path, status, target, xattrs: entries.xattrsOf(path) };
}
