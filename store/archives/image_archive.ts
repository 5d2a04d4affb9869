import type { DecompressOptions } from "../../layer/compression/decompressor.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import type { ContentOptions, NamedSource } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions, RemoteLayer } from "../../spec/image/image.ts";
import { MAX_CONFIG_BYTES, parseManifest } from "../../spec/image/manifest.ts";
import { verifiedRead } from "../../spec/image/verify_stream.ts";
import { type Expectation, Verifier } from "../../spec/verifier.ts";
import type { ReadBlobOptions } from "../content/content_store_options.ts";
import { ArchiveError } from "../errors.ts";
import { layoutReferrers } from "../images/layout_referrers.ts";
import {
  type ArchivedImage,
  choicesOf,
  imagesNamed,
  withoutReferrers,
} from "../images/listed_images.ts";
import { readStoredDocument } from "../images/stored_document.ts";
import { ArchiveContent } from "./_archive_content.ts";
import { type ArchiveEntries, readArchiveEntries } from "./_archive_entries.ts";
import { MAX_TABLE_BYTES } from "./_archive_limits.ts";
import { addDockerNames, readDockerImages } from "./_docker_images.ts";
import {
  type ArchivedDocument,
  archivedReader,
  checkLayoutVersion,
  type ReadArchived,
  readOciImages,
} from "./_oci_images.ts";
import { openArchiveFile } from "./_open_archive_file.ts";

export type { ArchivedDocument } from "./_oci_images.ts";

/** Format of an archive that holds images. */
export type ArchiveFormat = "oci-archive" | "docker-archive";

/** Options for {@linkcode ImageArchive.open}. */
export interface OpenImageArchiveOptions extends Pick<DecompressOptions, "maxRatio" | "maxWindow"> {
  /**
   * Directory for a temporary copy of an archive that is compressed or comes through a pipe; it is
   * created if it is missing.
   */
  readonly spoolDirectory: string;
  /**
   * The only format to accept.
   *
   * By default, either is accepted.
   */
  readonly format?: ArchiveFormat | undefined;
  /** Stream to read instead of the file, such as stdin. */
  readonly input?: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  /** Aborts the work. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Reads images out of a tar archive, as `docker save`, `podman save`, skopeo and buildah write it:
 * an OCI layout (`oci-archive`), or a `manifest.json` beside configs and layers (`docker-archive`),
 * plain or compressed with gzip or zstd. Docker has written both into one archive since version 25;
 * the layout is then used if it is complete.
 *
 * The entries are listed once, and contents are read from their place in the file. Nothing is
 * extracted: names and links in the archive never become files.
 *
 * @example List the images of an archive
 * ```ts
 * import { ImageArchive } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * using archive = await ImageArchive.open("./app.tar", { spoolDirectory: "./" });
 *
 * assertEquals(archive.images.map(({ names }) => names), [["docker.io/library/app:v1"]]);
 * ```
 */
export class ImageArchive implements NamedSource, Disposable {
  /** The archive, as the caller named it. */
  readonly path: string;
  /** Its format. */
  readonly format: ArchiveFormat;
  /** The images in it, in its order. */
  readonly images: readonly ArchivedImage[];
  readonly #content: ArchiveContent;
  readonly #read: ReadArchived;
  /** The images that {@linkcode ImageArchive.find} chooses from without a name. */
  readonly #choices: readonly ArchivedImage[];
  readonly #descriptors: readonly Descriptor[];

  private constructor(
    content: ArchiveContent,
    read: ReadArchived,
    { format, images }: ListedImages,
    choices: readonly ArchivedImage[],
  ) {
    this.path = content.name;
    this.format = format;
    this.images = images;
    this.#content = content;
    this.#read = read;
    this.#choices = choices;
    this.#descriptors = images.map(({ descriptor }) => descriptor);
  }

  /**
   * Opens an archive and lists the images in it.
   *
   * @param path The file, `-` for stdin; only a name for errors if the archive comes from `input`.
   * @param options Format and abort signal.
   * @returns The archive; the caller disposes of it.
   * @throws {ArchiveError} If it is damaged, hostile, or not an archive of images.
   */
  static async open(path: string, options: OpenImageArchiveOptions): Promise<ImageArchive> {
    const file = await openArchiveFile(path, options);
    try {
      const content = new ArchiveContent(file, await readArchiveEntries(file, options.signal));
      const read = archivedReader(content);
      const listed = await listImages(content, read, options);
      if (listed.images.length === 0) {
        throw new ArchiveError(file.name, "format", "it holds no images");
      }
      const choices = await withoutReferrers(content, listed.images);
      return new ImageArchive(content, read, listed, choices);
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  /** Opens the bytes of a document or a blob. Verifies a read of all of them unless it is `raw`. */
  async fetch(
    descriptor: Descriptor,
    options: BlobReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return await Promise.try(() => {
      const bytes = this.#content.open(descriptor, options);
      return verifiedRead(bytes, descriptor, options, () => `"${this.path}"`);
    });
  }

  /** Finds the document that has a name or a digest. */
  async resolve(name: string, options: ContentOptions = {}): Promise<Descriptor | undefined> {
    options.signal?.throwIfAborted();
    const found = imagesNamed(this.images, name)[0] ??
      this.images.find(({ descriptor }) => descriptor.digest === name);
    if (found !== undefined || !isDigest(name)) return found?.descriptor;
    return (await readStoredDocument(this, { digest: name }))?.descriptor;
  }

  /** Lists the documents of the archive whose `subject` is this one. */
  async referrers({ digest }: Descriptor): Promise<readonly Descriptor[]> {
    return await layoutReferrers(this, digest);
  }

  /**
   * Finds the image that has a name, or the only one. Documents without a name that refer to another
   * image, such as signatures, do not count.
   *
   * @param name Name; optional if the archive has one image.
   * @returns The image.
   * @throws {ArchiveError} If the archive does not have it, or has several.
   */
  find(name: string | undefined): ArchivedImage {
    const names = this.images.flatMap(({ names }) => names.slice(0, 1)).join(", ");
    const fail = (fault: "absent" | "ambiguous", problem: string): never => {
      throw new ArchiveError(this.path, fault, problem);
    };
    const found = name === undefined ? this.#choices : imagesNamed(this.images, name);
    const [first, ...more] = found;
    if (first === undefined) {
      const wanted = name === undefined ? "it has no image" : `it does not have "${name}"`;
      return fail("absent", names === "" ? wanted : `${wanted}, only ${names}`);
    }
    if (more.some(({ descriptor }) => descriptor.digest !== first.descriptor.digest)) {
      return fail("ambiguous", `it has several images: ${choicesOf(found)}`);
    }
    return first;
  }

  /**
   * Reads a document and the documents that it references and the archive has. Checks that no blob is
   * missing.
   *
   * @param descriptor The document.
   * @param options Abort signal.
   * @returns The document, with those that it references.
   * @throws {ArchiveError} If a part of it is missing, or a document does not match its digest.
   */
  async document(
    descriptor: Descriptor,
    options: ContentOptions = {},
  ): Promise<ArchivedDocument> {
    return await this.#read(descriptor, options.signal);
  }

  /**
   * Reads a blob and verifies it.
   *
   * @param descriptor The blob.
   * @param options Abort signal.
   * @throws {ArchiveError} If it does not match its digest.
   */
  async verify(descriptor: Descriptor, options: ContentOptions = {}): Promise<void> {
    const verifier = new Verifier(descriptor, `"${this.path}"`);
    const reading = { reuseMemory: true, signal: options.signal };
    try {
      for await (const chunk of this.#content.open(descriptor, reading)) verifier.update(chunk);
      verifier.finish();
    } catch (error) {
      throw this.#content.mismatch(error, descriptor.digest);
    }
  }

  /** Lists the images as entries of an `index.json`, one for each name. */
  descriptors(): Promise<readonly Descriptor[]> {
    return Promise.resolve(this.#descriptors);
  }

  /** Whether the archive has a blob. */
  has(digest: Digest): Promise<boolean> {
    return Promise.resolve(this.#content.sizeOf(digest) !== undefined);
  }

  /**
   * Returns whether the archive has a blob of that size, or its descriptor has the bytes. A document
   * of an index that has been read without its blobs does not count.
   */
  includes(descriptor: Descriptor): boolean {
    return this.#content.has(descriptor) && !this.#content.incomplete.has(descriptor.digest);
  }

  /** Reads a small blob whole, and verifies it; `undefined` if the archive does not have it. */
  async readBlob(
    blob: Expectation,
    { maxBytes = MAX_CONFIG_BYTES }: ReadBlobOptions = {},
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return await this.#content.readBlob(blob, { maxBytes });
  }

  /** Creates a layer that is read from the archive. */
  layer(descriptor: Descriptor, diffId: Digest): RemoteLayer {
    return {
      descriptor,
      diffId,
      source: `"${this.path}"`,
      compressed: (options) => this.fetch(descriptor, options),
    };
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#content.file[Symbol.dispose]();
  }
}

interface ListedImages {
  readonly format: ArchiveFormat;
  readonly images: readonly ArchivedImage[];
}

async function listImages(
  content: ArchiveContent,
  read: ReadArchived,
  options: OpenImageArchiveOptions,
): Promise<ListedImages> {
  const { format, signal } = options;
  const { name, entries: { files } } = content;
  const needsBoth = format === "docker-archive" && !files.has("manifest.json");
  const mayBeDocker = format !== "oci-archive" && files.has("manifest.json");
  if (files.has("index.json") && files.has("oci-layout") && !needsBoth) {
    checkLayoutVersion(name, await readTable(content, "oci-layout"));
    const images = readOciImages(name, await readTable(content, "index.json"));
    if (!mayBeDocker || await hasLayers(read, images, signal)) {
      content.refuseLinks();
      const named = mayBeDocker
        ? await addDockerNames(
          name,
          await readTable(content, "manifest.json"),
          images,
          (image) => configOf(read, image, signal),
        )
        : images;
      return { format: format ?? "oci-archive", images: named };
    }
  }
  if (mayBeDocker) {
    const bytes = await readTable(content, "manifest.json");
    return { format: "docker-archive", images: await readDockerImages(content, bytes, options) };
  }
  throw new ArchiveError(name, "format", missingPart(content.entries, format));
}

/** Returns what an archive lacks to be of a format, or of either. */
function missingPart({ files }: ArchiveEntries, format: ArchiveFormat | undefined): string {
  if (format === "docker-archive") {
    return "it has no manifest.json, so it is not a docker archive";
  }
  if (files.has("index.json")) return "it has no oci-layout file, so it is not an OCI archive";
  return format === "oci-archive"
    ? "it has no index.json, so it is not an OCI archive"
    : "it has neither index.json nor manifest.json, so it holds no images";
}

/** Returns the digest of an image's config; `undefined` if it is for several platforms. */
async function configOf(
  read: ReadArchived,
  { descriptor }: ArchivedImage,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> {
  const { bytes } = await read(descriptor, signal);
  const { kind, value } = parseManifest(bytes, descriptor.mediaType);
  return kind === "manifest" ? value.config.digest : undefined;
}

/** Reads a file that lists images; empty if the archive does not have it. */
async function readTable(
  { file, entries }: ArchiveContent,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const range = entries.files.get(name) ?? { offset: 0, size: 0 };
  if (range.size <= MAX_TABLE_BYTES) return await file.bytes(range);
  const problem = `its ${name} has ${range.size} bytes, more than the limit of ${MAX_TABLE_BYTES}`;
  throw new ArchiveError(file.name, "hostile", problem);
}

/** Whether a docker archive contains everything that its layout references. */
async function hasLayers(
  read: ReadArchived,
  images: readonly ArchivedImage[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    for (const { descriptor } of images) await read(descriptor, signal);
    return images.length > 0;
  } catch (error) {
    if (error instanceof ArchiveError && error.fault === "incomplete") return false;
    throw error;
  }
}
