import { type LayerLimits, limitsArchives } from "../../layer/extraction/layer_limits.ts";
import type { MemoryTree } from "../../layer/memory/memory_tree.ts";
import type { FileStatus } from "../../layer/trees/file_tree.ts";
import { WorkTurn } from "../../layer/trees/work_turn.ts";
import { explainedError, unlessRejected } from "../../spec/error_facts.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { LayerListener } from "../content/ingest_layer.ts";
import { readLayerIndex } from "../entries/layer_entries.ts";
import type { LayerIndex } from "../entries/layer_index.ts";
import type { LayerListing } from "../entries/layer_listing.ts";
import { followPath } from "../host/follow_path.ts";
import { type Layer, storedLayer } from "../images/image.ts";
import type { LazyLayer } from "../lazy/lazy_layer.ts";
import type { CountDecompressed } from "../threads/decompressed_total.ts";
import { type FoundEntry, LayerStack } from "./_layer_stack.ts";
import type { EntrySource } from "./list_layer.ts";

/** Options for {@linkcode ImageFiles}. */
export interface ImageFilesOptions extends LayerListener, LayerLimits {
  /**
   * Whether to reject owners whose IDs are too large for any file, as extraction does.
   *
   * @default {false}
   */
  readonly checkOwners?: boolean | undefined;
  /**
   * Whether to fetch only parts of remote layers that have a table of contents with a digest in the
   * manifest (eStargz, zstd:chunked). Parts are verified by the digests in the table rather than by
   * the DiffID, and are not stored. If a limit other than `maxBytes` is set, whole layers are
   * fetched.
   *
   * @default {true}
   */
  readonly partial?: boolean | undefined;
  /** Called with each layer that is only fetched in part; see `partial`. */
  readonly onPartialLayer?: ((layer: Descriptor) => void) | undefined;
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
 * list or lookup. From a remote layer with a table of contents, only the table and the requested
 * files are fetched, unless `partial` is `false`. Parts of large files are taken from other layers in
 * the store if their tables have the same chunks.
 *
 * @example Find and read files of an image
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, ImageFiles } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const files = new ImageFiles(await ContentStore.open("./store"), image);
 *
 * const passwd = await files.readText("etc/passwd");
 * const names = await Array.fromAsync(await files.list("etc"), ({ path }) => path);
 *
 * assertEquals(passwd, "root:x:0:0:root:/root:/bin/sh\n");
 * assertEquals(names, ["etc", "etc/os-release", "etc/passwd"]);
 * ```
 */
export class ImageFiles {
  readonly #store: ContentStore;
  readonly #layers: readonly RemoteLayer[];
  readonly #options: ImageFilesOptions;
  readonly #listings = new Map<number, Promise<LayerListing | undefined>>();
  /** Layers that are fetched only in part; `undefined` for the others. */
  readonly #lazyLayers = new Map<number, Promise<LazyLayer | undefined>>();
  readonly #openedLayers: LazyLayer[] = [];
  #countBytes: CountDecompressed | undefined;
  #stack: LayerStack;
  /**
   * All files. Places are offsets in the archives of the layers. In the `"view"`, places in lazy
   * layers are indexes of entries.
   */
  readonly #trees = new Map<"view" | "whole", Promise<MemoryTree>>();

  /** Creates the view of an image. Layers that are not in the store are downloaded. */
  constructor(store: ContentStore, image: RemoteImage, options: ImageFilesOptions = {}) {
    this.#store = store;
    this.#layers = image.layers;
    this.#options = options;
    this.#stack = this.#newStack();
  }

  /**
   * Number of bytes of remote files, read so far, that were taken from other layers in the store:
   * those that have a table of contents with the same chunks.
   */
  get reusedBytes(): number {
    return this.#openedLayers.reduce((sum, { reusedBytes }) => sum + reusedBytes, 0);
  }

  /**
   * Finds a file. Searches the layers from the top one down, until one has the file or hides it,
   * and reads on below a layer that does not describe the directories that it uses, because they
   * may be symlinks in a lower one. Follows symlinks in the path within the image.
   *
   * @param path Path of the file.
   * @param followLast Whether to follow a symlink at the end of the path; `true` by default.
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
   * @throws {LimitError} If the file, including its holes, has more than `maxBytes` bytes.
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
    // A small archive can have a file of petabytes, most of which is a hole.
    const { limitDecompressed } = await import("../threads/decompressed_total.ts");
    limitDecompressed(this.#options.maxBytes)(found.layer, size);
    const lazy = found.isLazy ? await this.#lazyLayer(found.layer) : undefined;
    if (lazy !== undefined) {
      const { offset } = found.entry;
      const { onPosition } = await this.#sourceOf(found.layer, lazy);
      onPosition?.(lazy.decompressedBytes(offset));
      return ReadableStream.from(lazy.content(offset, this.#options.signal));
    }
    const layer = await this.layer(found.layer);
    // Loaded on demand, because finding and listing files needs neither.
    const { readEntryContent } = await import("./entry_content.ts");
    const { openArchive } = await import("./archive_reader.ts");
    const { signal, maxBytes, maxRatio, maxWindow } = this.#options;
    return ReadableStream.from(readEntryContent(
      {
        seek: (offset) => openArchive(this.#store, layer, offset, signal),
        whole: () => layer.uncompressed({ maxBytes, maxRatio, maxWindow, signal }),
        limits: this.#options,
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
   * their code units. Reads all layers, or their tables of contents.
   *
   * @param path Path of the directory, by default the root; symlinks in it are followed. A file is
   * listed alone.
   * @returns The files; none if the image has nothing at the path.
   */
  async *list(path = ""): AsyncGenerator<ImageFile, void, void> {
    const found = await this.#locate(path, true);
    if (found === undefined) return;
    if (found.path !== "") yield describe(found);
    if (found.entry.type !== "directory") return;
    const turn = new WorkTurn();
    for (const entry of await this.#walk(found.path)) {
      if (turn.isOver()) await turn.next(this.#options.signal);
      yield describe(entry);
    }
  }

  /**
   * Returns the names and metadata of all files of the image. Reads all layers, even those with a
   * table of contents, because contents are located by their offsets in the archives of the layers.
   */
  async tree(): Promise<MemoryTree> {
    return await keepSuccess(this.#trees, "whole", () => this.#flatten(false));
  }

  /**
   * Returns a layer, after downloading it into the store if it is missing.
   *
   * @param index Index of the layer; 0 is the base.
   * @returns The layer.
   * @throws {RangeError} If there is no such layer.
   */
  async layer(index: number): Promise<Layer> {
    const layer = this.#remoteLayer(index);
    if (!await this.#isStored(layer)) {
      const { ingestLayer } = await import("../content/ingest_layer.ts");
      await ingestLayer(this.#store, layer, this.#options);
    }
    return this.#storedLayer(index);
  }

  #remoteLayer(index: number): RemoteLayer {
    const layer = this.#layers[index];
    if (layer === undefined) {
      throw explainedError(RangeError, {
        code: "invalid-argument",
        action: `find layer ${index}`,
        problem: "there is none",
        option: "layer",
      });
    }
    return layer;
  }

  #storedLayer(index: number): Layer {
    const { descriptor, diffId } = this.#remoteLayer(index);
    return storedLayer(this.#store, descriptor, diffId);
  }

  /** Whether the store has a layer. Does not load the modules that a download needs. */
  async #isStored({ descriptor }: RemoteLayer): Promise<boolean> {
    const { signal, onLayer } = this.#options;
    // A corrupt layer is downloaded again.
    const verified = unlessRejected(this.#store.verify(descriptor, signal), DigestMismatchError);
    if (!await verified) return false;
    const { size } = descriptor;
    onLayer?.(descriptor, { status: "cached", bytes: size, total: size, resumed: 0, retries: 0 });
    return true;
  }

  async #locate(path: string, followLast: boolean): Promise<LocatedEntry | undefined> {
    if (this.#trees.size === 0) {
      const found = await this.#stack.find(path, followLast);
      if (found !== "unknown") return found && { ...found, isLazy: true };
    }
    const isLazy = !this.#trees.has("whole");
    const tree = await this.#files();
    const { real } = followPath(tree, path, { followLast });
    const status = real === undefined ? undefined : tree.status(real);
    if (real === undefined || status === undefined) return undefined;
    const { treeEntry } = await import("./_staged_listing.ts");
    const entry = treeEntry(tree, real, status);
    return { layer: tree.placeOf(real).layer, path: real, entry, isLazy };
  }

  /** Returns everything below a directory. */
  async #walk(path: string): Promise<Iterable<FoundEntry>> {
    if (this.#trees.size === 0) {
      const entries = await this.#stack.walk(path);
      if (entries !== "unknown") return entries;
    }
    const { walkTree } = await import("./_staged_listing.ts");
    return walkTree(await this.#files(), path);
  }

  async #files(): Promise<MemoryTree> {
    return await (this.#trees.get("whole") ??
      keepSuccess(this.#trees, "view", () => this.#flatten(true)));
  }

  #newStack(): LayerStack {
    const list = (index: number) => this.#listing(index);
    return new LayerStack(this.#layers.length, list, this.#options.signal);
  }

  #listing(index: number): Promise<LayerListing | undefined> {
    return keepSuccess(this.#listings, index, async () => {
      const lazy = await this.#lazyLayer(index);
      const layer = lazy === undefined ? await this.layer(index) : this.#storedLayer(index);
      const known = lazy === undefined ? await this.#indexOf(layer) : undefined;
      if (known?.isSimple) return known;
      const { listLayer } = await import("./list_layer.ts");
      return await listLayer(layer, index, await this.#sourceOf(index, lazy ?? known));
    });
  }

  async #flatten(isLazy: boolean): Promise<MemoryTree> {
    // The tree replaces the listings; keeping both would take too much memory.
    this.#listings.clear();
    this.#stack = this.#newStack();
    const { addLayer } = await import("./list_layer.ts");
    const { MemoryTree } = await import("../../layer/memory/memory_tree.ts");
    const tree = new MemoryTree();
    for (const index of this.#layers.keys()) {
      const lazy = isLazy ? await this.#lazyLayer(index) : undefined;
      const layer = lazy === undefined ? await this.layer(index) : this.#storedLayer(index);
      const known = lazy === undefined ? await this.#indexOf(layer) : undefined;
      const source = await this.#sourceOf(index, lazy ?? known);
      // The caller reads the contents of the files later.
      if (known !== undefined && !isLazy) source.onPosition?.(known.archiveBytes);
      await addLayer(tree, layer, index, source);
    }
    return tree;
  }

  /** Reads the index of a layer, unless limits require that its archive is read. */
  async #indexOf(layer: Layer): Promise<LayerIndex | undefined> {
    return limitsArchives(this.#options) ? undefined : await readLayerIndex(this.#store, layer);
  }

  /** Returns a layer that is only fetched in part. */
  #lazyLayer(index: number): Promise<LazyLayer | undefined> {
    return keepSuccess(this.#lazyLayers, index, async () => {
      const { partial = true, onPartialLayer } = this.#options;
      const layer = this.#layers[index];
      if (!partial || limitsArchives(this.#options)) return undefined;
      if (layer?.descriptor.annotations === undefined) return undefined;
      if (await this.#store.has(layer.descriptor)) return undefined;
      const { LazyLayer } = await import("../lazy/lazy_layer.ts");
      const lazy = await LazyLayer.open(layer, this.#store, this.#options);
      if (lazy === undefined) return undefined;
      this.#openedLayers.push(lazy);
      onPartialLayer?.(layer.descriptor);
      return lazy;
    });
  }

  async #sourceOf(layer: number, known: EntrySource["known"]): Promise<EntrySource> {
    const { limitDecompressed } = await import("../threads/decompressed_total.ts");
    const countBytes = this.#countBytes ??= limitDecompressed(this.#options.maxBytes);
    const onPosition = (bytes: number) => countBytes(layer, bytes);
    return { ...this.#options, known, store: this.#store, onPosition };
  }
}

/** Returns the promise of a key, or makes it. Forgets it if it fails, so that the next call retries. */
function keepSuccess<K, T>(
  kept: Map<K, Promise<T>>,
  key: K,
  make: () => Promise<T>,
): Promise<T> {
  return kept.getOrInsertComputed(key, () => {
    const made = make();
    made.catch(() => kept.delete(key));
    return made;
  });
}

/** An entry, and whether its place is an index of an entry if its layer is lazy. */
interface LocatedEntry extends FoundEntry {
  readonly isLazy: boolean;
}

/** Inode numbers of one layer; files of different layers have different numbers. */
const LAYER_INODES = 2 ** 32;

function describe({ layer, path, entry, nlink = entry.nlink }: FoundEntry): ImageFile {
  const status = entry.status();
  const ino = layer * LAYER_INODES + status.ino;
  return { path, status: { ...status, ino, nlink }, target: entry.target, xattrs: entry.xattrs() };
}
