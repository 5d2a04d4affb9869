import {
  type FileStatus,
  type MemoryTree,
  type TarEntryType,
  type TarHeader,
  tarHeader,
  type TarHeaderInput,
  tarPadding,
  TarParser,
  type TarSink,
} from "../layer/mod.ts";
import type { RemoteImage } from "../spec/mod.ts";
import type { ContentStore } from "./content_store.ts";
import { ImageFiles, type ImageFilesOptions } from "./image_files.ts";

/** Options for {@linkcode exportImage}. */
export interface ExportImageOptions extends ImageFilesOptions {}

/**
 * Writes the flattened file system of an image as a tar archive, in the pax format: what a
 * container of it would see as its root.
 *
 * Directories come first, each before what is in it; then files, each followed by its hard links;
 * then symbolic links, devices and FIFOs. So nothing refers to what comes later. An image always
 * gives the same bytes. Holes of files that the layers have as holes stay holes, and extended
 * attributes and fractions of seconds are kept.
 *
 * Layers are brought into the store as they are needed and read twice: for what there is, and for
 * its content.
 *
 * @param store Where layers are kept.
 * @param image The image; what of it is not in the store is taken from where it is.
 * @param options How to stop, and whom to tell.
 * @returns The archive. It is complete and right if it closes.
 *
 * @example Export an image of a store
 * ```ts no-assert
 * import { type ContentStore, exportImage, type Image } from "@x/oci/store";
 *
 * async function save(store: ContentStore, image: Image): Promise<void> {
 *   using file = await Deno.create("rootfs.tar");
 *   await exportImage(store, image).pipeTo(file.writable);
 * }
 * ```
 */
export function exportImage(
  store: ContentStore,
  image: RemoteImage,
  options: ExportImageOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const files = new ImageFiles(store, image, options);
  return ReadableStream.from(writeImage(files, image.layers.length, options.signal));
}

async function* writeImage(
  files: ImageFiles,
  layers: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const tree = await files.tree();
  const root = tree.status("");
  if (root !== undefined && root.mtime > 0) yield tarHeader(entryOf(tree, ".", root, ""));
  const names = namesOf(tree);
  yield* writeOthers(tree, names, (type) => type === "directory");
  for (let index = 0; index < layers; index++) {
    const contents = new LayerContents(tree, names.files[index] ?? new Map());
    const parser = new TarParser(contents);
    const layer = await files.layer(index);
    for await (const chunk of await layer.uncompressed(signal && { signal })) {
      parser.push(chunk);
      yield* contents.take();
    }
  }
  yield* writeOthers(tree, names, (type) => type !== "directory");
  yield new Uint8Array(1024);
}

/** The names of all files, in order; those of the same file together. */
interface Names {
  /** Of files with content, for each layer by where in it that is. */
  readonly files: readonly ReadonlyMap<number, readonly string[]>[];
  /** Of all else. */
  readonly others: readonly (readonly string[])[];
}

function namesOf(tree: MemoryTree): Names {
  const byNumber = new Map<number, string[]>();
  const visit = (directory: string) => {
    for (const name of [...tree.list(directory)].sort()) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const status = tree.status(path);
      if (status === undefined) continue;
      const known = byNumber.get(status.ino);
      if (known === undefined) byNumber.set(status.ino, [path]);
      else known.push(path);
      if (status.type === "directory") visit(path);
    }
  };
  visit("");
  const files: Map<number, readonly string[]>[] = [];
  const others: (readonly string[])[] = [];
  for (const paths of byNumber.values()) {
    const [path = ""] = paths;
    if (tree.status(path)?.type !== "file") {
      others.push(paths);
      continue;
    }
    const { layer, offset } = tree.placeOf(path);
    (files[layer] ??= new Map()).set(offset, paths);
  }
  return { files, others };
}

function* writeOthers(
  tree: MemoryTree,
  { others }: Names,
  isWanted: (type: FileStatus["type"]) => boolean,
): Generator<Uint8Array<ArrayBuffer>, void, void> {
  for (const [path = "", ...links] of others) {
    const status = tree.status(path);
    if (status === undefined || !isWanted(status.type)) continue;
    const target = status.type === "symlink" ? tree.readLink(path) : "";
    yield tarHeader(entryOf(tree, path, status, target));
    for (const link of links) yield tarHeader(linkTo(path, link, status));
  }
}

/** Picks out of the archive of a layer what of it is in the image. */
class LayerContents implements TarSink {
  readonly #tree: MemoryTree;
  readonly #names: ReadonlyMap<number, readonly string[]>;
  #paths: readonly string[] | undefined;
  #status: FileStatus | undefined;
  #stored = 0;
  #output: Uint8Array<ArrayBuffer>[] = [];

  constructor(tree: MemoryTree, names: ReadonlyMap<number, readonly string[]>) {
    this.#tree = tree;
    this.#names = names;
  }

  entry({ offset, segments }: TarHeader): void {
    this.#paths = this.#names.get(offset);
    const [path] = this.#paths ?? [];
    if (path === undefined) return;
    const status = this.#tree.status(path);
    if (status === undefined) return;
    this.#status = status;
    this.#stored = 0;
    const entry = entryOf(this.#tree, path, status, "");
    this.#output.push(tarHeader(segments === undefined ? entry : { ...entry, segments }));
  }

  data(chunk: Uint8Array): void {
    if (this.#paths === undefined) return;
    this.#stored += chunk.length;
    this.#output.push(chunk as Uint8Array<ArrayBuffer>);
  }

  end(): void {
    const [path = "", ...links] = this.#paths ?? [];
    const status = this.#status;
    if (this.#paths === undefined || status === undefined) return;
    const padding = tarPadding(this.#stored);
    if (padding.length > 0) this.#output.push(padding);
    for (const link of links) this.#output.push(tarHeader(linkTo(path, link, status)));
    this.#paths = undefined;
  }

  /** What has come since the last call. */
  take(): readonly Uint8Array<ArrayBuffer>[] {
    const output = this.#output;
    this.#output = [];
    return output;
  }
}

function entryOf(
  tree: MemoryTree,
  path: string,
  status: FileStatus,
  linkname: string,
): TarHeaderInput {
  const { type, mode, uid, gid, size, mtime, mtimeNs, devmajor, devminor } = status;
  return {
    ...{ type: type as TarEntryType, path, linkname, mode, uid, gid, mtime, mtimeNs },
    ...{ size: type === "file" ? size : 0, devmajor, devminor },
    xattrs: tree.xattrsOf(path === "." ? "" : path),
  };
}

function linkTo(target: string, path: string, status: FileStatus): TarHeaderInput {
  const { mode, uid, gid, mtime, mtimeNs } = status;
  return {
    ...{ type: "hardlink", path, linkname: target, mode, uid, gid, size: 0, mtime, mtimeNs },
    ...{ devmajor: 0, devminor: 0, xattrs: new Map() },
  };
}
