import type { FileStatus } from "../../layer/trees/file_tree.ts";
import type { MemoryTree } from "../../layer/trees/memory_tree.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { LayerListener } from "../content/layer_listener.ts";
import { LayerEntries } from "../entries/layer_entries.ts";
import type { LayerIndex } from "../entries/layer_index.ts";
import type { LayerListing } from "../entries/layer_listing.ts";
import { followPath } from "../host/follow_path.ts";
import { openArchive } from "./_archive_reader.ts";
import { type FoundEntry, LayerStack } from "./_layer_stack.ts";
import type { EntrySource } from "./_list_layer.ts";
import { StagedEntry } from "./_staged_listing.ts";
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
 * Layers are downloaded into the store as needed, verified, and read from there. The store keeps an
 * index of the entries of each layer that has been read, so that it is not read again for another
 * list or lookup.
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
  readonly #entries: LayerEntries;
  readonly #listings = new Map<number, Promise<LayerListing | undefined>>();
  #stack: LayerStack;
  #whole: Promise<MemoryTree> | undefined;

  /** Creates the view of an image. Layers that are not in the store are downloaded. */
  constructor(store: ContentStore, image: RemoteImage, options: ImageFilesOptions = {}) {
    this.#store = store;
    this.#entries = new LayerEntries(store);
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
    return found && describe(found);
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
    const { type, size } = found.entry.status();
    if (type === "directory") {
      throw new Deno.errors.IsADirectory(`Cannot read "${path}" of the image: it is a directory`);
    }
    if (type !== "file") {
      throw new Deno.errors.NotSupported(`Cannot read "${path}" of the image: it is a ${type}`);
    }
    const layer = await this.layer(found.layer);
    const { readEntry } = await import("./_entry_content.ts");
    const { signal } = this.#options;
    return ReadableStream.from(readEntry(
      {
        seek: (offset) => openArchive(this.#store, this.#entries, layer, offset, { signal }),
        whole: () => layer.uncompressed({ signal }),
        signal,
      },
      found.entry.offset,
      size,
    ));
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
    const found = await this.#locate(path, true);
    if (found === undefined) return;
    if (found.path !== "") yield describe(found);
    if (found.entry.type !== "directory") return;
    for (const entry of await this.#walk(found.path)) yield describe(entry);
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
    if (!await this.#isStored(layer)) {
      const { bringLayer } = await import("../content/bring_layer.ts");
      await bringLayer(this.#store, layer, this.#options);
    }
    return new StoredLayer(this.#store, layer.descriptor, layer.diffId);
  }

  /** Whether the store has a layer, without the modules that a download takes. */
  async #isStored({ descriptor }: RemoteLayer): Promise<boolean> {
    const { signal, onLayer } = this.#options;
    try {
      if (!await this.#store.verify(descriptor, signal)) return false;
    } catch (error) {
      // It is downloaded again.
      if (error instanceof DigestMismatchError) return false;
      throw error;
    }
    const { size } = descriptor;
    onLayer?.(descriptor, { status: "cached", bytes: size, total: size, resumed: 0, retries: 0 });
    return true;
  }

  async #locate(path: string, followLast: boolean): Promise<FoundEntry | undefined> {
    if (this.#whole === undefined) {
      const found = await this.#stack.find(path, followLast);
      if (found !== "unknown") return found;
    }
    const tree = await this.tree();
    const { real } = followPath(tree, path, { followLast });
    const status = real === undefined ? undefined : tree.status(real);
    if (real === undefined || status === undefined) return undefined;
    const entry = new StagedEntry(tree, NOTHING, real, status);
    return { layer: tree.placeOf(real).layer, path: real, entry };
  }

  /** Returns everything below a directory. */
  async #walk(path: string): Promise<Iterable<FoundEntry>> {
    if (this.#whole === undefined) {
      const entries = await this.#stack.walk(path);
      if (entries !== "unknown") return entries;
    }
    return walkTree(await this.tree(), path);
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
    const layer = await this.layer(index);
    const known = await this.#entries.read(layer);
    if (known?.isSimple) return known;
    const { listLayer } = await import("./_list_layer.ts");
    return await listLayer(layer, index, this.#sourceOf(known));
  }

  async #flatten(): Promise<MemoryTree> {
    // The tree replaces the listings; keeping both would take too much memory.
    this.#listings.clear();
    this.#stack = this.#newStack();
    const { addLayer, newTree } = await import("./_list_layer.ts");
    const tree = newTree();
    for (const index of this.#layers.keys()) {
      const layer = await this.layer(index);
      await addLayer(tree, layer, index, this.#sourceOf(await this.#entries.read(layer)));
    }
    return tree;
  }

  #sourceOf(index: LayerIndex | undefined): EntrySource {
    return { ...this.#options, index, entries: this.#entries };
  }
}

const NOTHING: ReadonlySet<string> = new Set();

/** Returns the entries below a directory of a tree. */
function* walkTree(tree: MemoryTree, directory: string): Generator<FoundEntry, void, void> {
  const entriesOf = (path: string) => {
    const status = tree.status(path);
    return status === undefined ? [] : new StagedEntry(tree, NOTHING, path, status).children();
  };
  const open = [{ directory, entries: entriesOf(directory)[Symbol.iterator]() }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { done, value } = top.entries.next();
    if (done) {
      open.pop();
      continue;
    }
    const [name, entry] = value;
    const path = top.directory === "" ? name : `${top.directory}/${name}`;
    yield { layer: 0, path, entry };
    if (entry.type === "directory") {
      open.push({ directory: path, entries: entriesOf(path)[Symbol.iterator]() });
    }
  }
}

/** Numbers of the files of different layers differ. */
const LAYER_INODES = 2 ** 32;

function describe({ layer, path, entry, nlink = entry.nlink }: FoundEntry): ImageFile {
  const status = entry.status();
  const ino = layer * LAYER_INODES + status.ino;
  return { path, status: { ...status, ino, nlink }, target: entry.target, xattrs: entry.xattrs() };
}
