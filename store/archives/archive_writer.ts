import { tarHeader, tarPadding } from "../../layer/tar/tar_writer.ts";
import { formatReference } from "../../registry/reference.ts";
import { Semaphore } from "../../registry/tasks/semaphore.ts";
import type { Digest } from "../../spec/digest.ts";
import { OciError } from "../../spec/errors.ts";
import type {
  ContentOptions,
  NamedTarget,
  OpenContent,
  PushContentOptions,
} from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { type Manifest, parseManifest } from "../../spec/image/manifest.ts";
import { isConfigMediaType, isDocumentMediaType, OCI_INDEX } from "../../spec/image/media_types.ts";
import { readBytes } from "../../spec/image/read_bytes.ts";
import { digestAlgorithm, digestPath, Verifier } from "../../spec/verifier.ts";
import { LAYOUT_VERSION } from "../content/layout_directory.ts";
import { nameAnnotations, parseStoredName, type RecordedEntry } from "../content/layout_index.ts";
import { type FileOutput, openFileOutput } from "../host/file_output.ts";
import { writeAll } from "../host/files.ts";
import { MAX_ARCHIVE_ENTRIES, MAX_LISTED_IMAGES, MAX_TABLE_BYTES } from "./_archive_limits.ts";
import type { ArchiveFormat } from "./image_archive.ts";

/** Number of entries besides blobs and directories: the lists of images, and the version. */
const TABLES = 3;

/** Options for {@linkcode ImageArchiveWriter.create}. */
export interface ImageArchiveWriterOptions {
  /** Sink to write to instead of the file, such as stdout. */
  readonly output?: { write(bytes: Uint8Array): Promise<void> } | undefined;
}

interface ArchiveOutput extends Omit<FileOutput, "write"> {
  /** Writes all of the bytes. */
  write(bytes: Uint8Array): Promise<unknown>;
}

/**
 * Writes images into a tar archive that `docker load`, `podman load`, skopeo and buildah read: an
 * OCI layout, which keeps manifests and indexes as they are. A `docker-archive` also has a
 * `manifest.json`, which docker itself has written since version 25, and holds one platform of each
 * image. Docker's image ID stays the same, because the config keeps its bytes.
 *
 * The file appears, complete, at {@linkcode ImageArchiveWriter.commit}. Blobs are written one after
 * another, each once; the same content in the same order gives the same bytes.
 *
 * @example Write an image of a registry to an archive
 * ```ts
 * import { parseReference, RemoteClient, RepositoryContent } from "@x/oci/registry";
 * import { copyGraph, ImageArchiveWriter } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const reference = parseReference("alpine:3.20");
 * using client = new RemoteClient();
 * const root = await client.resolve(reference);
 *
 * await using writer = await ImageArchiveWriter.create("./alpine.tar", "oci-archive");
 * await copyGraph(new RepositoryContent(client, reference), writer, root);
 * await writer.tag("docker.io/library/alpine:3.20", root);
 * await writer.commit();
 *
 * assert((await Deno.stat("./alpine.tar")).isFile);
 * ```
 */
export class ImageArchiveWriter implements NamedTarget, AsyncDisposable {
  /** The format. */
  readonly format: ArchiveFormat;
  readonly #output: ArchiveOutput;
  readonly #written = new Set<Digest>();
  /** Content that was written as a document, and not only as a blob that another one lists. */
  readonly #documents = new Set<Digest>();
  readonly #directories = new Set<string>();
  readonly #manifests = new Map<Digest, Manifest>();
  readonly #tagged: RecordedEntry[] = [];
  /** Documents about other documents, such as signatures. */
  readonly #referrers: Descriptor[] = [];
  /** Digests that an index lists. */
  readonly #parts = new Set<Digest>();
  /** Serializes writers, because an archive is one sequence of bytes. */
  readonly #turn = new Semaphore(1);
  #position = 0;
  #failure: unknown;

  private constructor(output: ArchiveOutput, format: ArchiveFormat) {
    this.#output = output;
    this.format = format;
  }

  /**
   * Begins to write an archive.
   *
   * @param path The file, `-` for stdout. It is replaced as a whole, at the end.
   * @param format The format.
   * @param options Sink to use instead of the file.
   * @returns The writer; the caller disposes of it.
   */
  static async create(
    path: string,
    format: ArchiveFormat,
    { output }: ImageArchiveWriterOptions = {},
  ): Promise<ImageArchiveWriter> {
    const target = output !== undefined
      ? streamOutput(output)
      : path === "-"
      ? streamOutput({ write: (bytes) => writeAll(Deno.stdout, bytes) })
      : await openFileOutput(path, { prefix: ".oci-save-" });
    return new ImageArchiveWriter(target, format);
  }

  /** Returns whether the content has been written; for a document, with what it references. */
  exists({ digest, mediaType }: Descriptor): Promise<boolean> {
    const known = isDocumentMediaType(mediaType) ? this.#documents : this.#written;
    return Promise.resolve(known.has(digest));
  }

  /** Writes a document or a blob, and verifies it as it is written. */
  async push(
    descriptor: Descriptor,
    open: OpenContent,
    options: PushContentOptions = {},
  ): Promise<void> {
    await this.#turn.run(async () => {
      if (await this.exists(descriptor)) return;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#written.has(descriptor.digest)) {
        const bytes = await readBytes(descriptor, open, { ...options, maxBytes: Infinity });
        this.#addDocument(descriptor, bytes);
        return;
      }
      let start = this.#position;
      try {
        await this.#makeDirectories(descriptor.digest);
        start = this.#position;
        await this.#writeBlob(descriptor, open, options);
      } catch (error) {
        await this.#rewind(start, error);
        throw error;
      }
      this.#written.add(descriptor.digest);
    }, options.signal);
  }

  /** Finds the document that has a name. */
  resolve(name: string): Promise<Descriptor | undefined> {
    return Promise.resolve(this.#tagged.find((tagged) => tagged.name === name)?.descriptor);
  }

  /** Gives a name to a document. */
  tag(name: string, descriptor: Descriptor, options: ContentOptions = {}): Promise<void> {
    return Promise.try(() => {
      options.signal?.throwIfAborted();
      const known = this.#tagged.findIndex((tagged) => tagged.name === name);
      this.#tagged[known < 0 ? this.#tagged.length : known] = { name, descriptor };
    });
  }

  /** Records a document without a name. */
  keep(descriptor: Descriptor): Promise<void> {
    this.#tagged.push({ name: undefined, descriptor });
    return Promise.resolve();
  }

  /**
   * Completes the archive and moves it to its path.
   *
   * @throws {OciError} If the format cannot hold a document.
   */
  async commit(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const index = {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [...this.#tagged, ...this.#unlisted()].map(indexEntry),
    };
    const images = this.format === "docker-archive" ? this.#dockerImages() : undefined;
    this.#checkLimits(index.manifests.length);
    await this.#writeJson("oci-layout", LAYOUT_VERSION);
    await this.#writeJson("index.json", index);
    if (images !== undefined) await this.#writeJson("manifest.json", images);
    await this.#write(new Uint8Array(1024));
    await this.#output.commit();
  }

  /** Rejects an archive that cannot be read again. */
  #checkLimits(images: number): void {
    const entries = this.#written.size + this.#directories.size + TABLES;
    if (images > MAX_LISTED_IMAGES) throw this.#tooLarge(`${MAX_LISTED_IMAGES} images`);
    if (entries > MAX_ARCHIVE_ENTRIES) throw this.#tooLarge(`${MAX_ARCHIVE_ENTRIES} entries`);
  }

  #tooLarge(limit: string): OciError {
    return new OciError(`it would have more than ${limit}`, {
      code: "archive-format",
      action: "write the archive",
      advice: "Write fewer images, or an image layout",
      option: "images",
    });
  }

  /** Closes the file; without {@linkcode ImageArchiveWriter.commit}, nothing is left behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#output[Symbol.asyncDispose]();
  }

  /**
   * Writes entries for the directories of a blob, once each. If a directory has no entry, other tools
   * make root its owner, which fails for an ordinary user.
   */
  async #makeDirectories(digest: Digest): Promise<void> {
    const missing = ["blobs", `blobs/${digestAlgorithm(digest)}`]
      .filter((path) => !this.#directories.has(path));
    for (const path of missing) await this.#write(tarHeader({ type: "directory", path }));
    for (const path of missing) this.#directories.add(path);
  }

  async #writeBlob(
    descriptor: Descriptor,
    open: OpenContent,
    { signal, onBytes }: PushContentOptions,
  ): Promise<void> {
    const { digest, size, mediaType } = descriptor;
    const isDocument = isDocumentMediaType(mediaType);
    const kept: Uint8Array<ArrayBuffer>[] = [];
    const verifier = new Verifier(descriptor);
    let written = 0;
    await this.#write(tarHeader({ type: "file", path: blobName(digest), size }));
    for await (const chunk of await open({ signal, reuseMemory: true, raw: true })) {
      verifier.update(chunk);
      if (isDocument) kept.push(chunk.slice());
      await this.#write(chunk);
      onBytes?.(written += chunk.length);
    }
    verifier.finish();
    await this.#write(tarPadding(size));
    if (isDocument) this.#addDocument(descriptor, await new Blob(kept).bytes());
  }

  #addDocument(descriptor: Descriptor, bytes: Uint8Array): void {
    const { digest, mediaType } = descriptor;
    const { kind, value } = parseManifest(bytes, mediaType);
    if (value.subject !== undefined) this.#referrers.push(descriptor);
    if (kind === "manifest") this.#manifests.set(digest, value);
    else for (const part of value.manifests) this.#parts.add(part.digest);
    this.#documents.add(digest);
  }

  async #rewind(position: number, error: unknown): Promise<void> {
    try {
      if (this.#output.rewind === undefined) throw error;
      await this.#output.rewind(position);
      this.#position = position;
    } catch {
      // A partly written entry cannot be undone.
      this.#failure = error;
    }
  }

  async #writeJson(name: string, value: unknown): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    if (bytes.length > MAX_TABLE_BYTES) {
      throw this.#tooLarge(`${MAX_TABLE_BYTES} bytes in ${name}`);
    }
    await this.#write(tarHeader({ type: "file", path: name, size: bytes.length }));
    await this.#write(bytes);
    await this.#write(tarPadding(bytes.length));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#output.write(bytes);
    this.#position += bytes.length;
  }

  /** Returns the referrers that neither a name nor an index references. */
  #unlisted(): readonly RecordedEntry[] {
    const listed = new Set(this.#tagged.map(({ descriptor }) => descriptor.digest));
    return this.#referrers
      .filter(({ digest }) => !listed.has(digest) && !this.#parts.has(digest))
      .map((descriptor) => ({ name: undefined, descriptor }));
  }

  /** Returns the entries of `manifest.json`: one for each config and its layers, with all names. */
  #dockerImages(): readonly Record<string, unknown>[] {
    const groups = Map.groupBy(this.#tagged, ({ descriptor }) => descriptor.digest);
    return [...groups].map(([digest, tagged]) => {
      const manifest = this.#manifests.get(digest);
      if (manifest === undefined || !isConfigMediaType(manifest.config.mediaType)) {
        const why = manifest === undefined
          ? "it is for several platforms"
          : "it is not a container image";
        throw new OciError(why, {
          code: "archive-format",
          action: `write ${digest} into a docker archive`,
          subject: digest,
          advice: "Write an OCI archive",
          option: "format",
        });
      }
      return {
        Config: blobName(manifest.config.digest),
        RepoTags: tagged.flatMap(({ name = "" }) => dockerTag(name) ?? []),
        Layers: manifest.layers.map((layer) => blobName(layer.digest)),
      };
    });
  }
}

/** Writes an archive to a stream, such as stdout. */
function streamOutput(sink: { write(bytes: Uint8Array): Promise<unknown> }): ArchiveOutput {
  return {
    write: (bytes) => sink.write(bytes),
    commit: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function blobName(digest: Digest): string {
  return `blobs/${digestPath(digest)}`;
}

function indexEntry({ name, descriptor }: RecordedEntry): Record<string, unknown> {
  const { mediaType, digest, size, artifactType, platform } = descriptor;
  return {
    mediaType,
    digest,
    size,
    artifactType,
    platform,
    annotations: name === undefined ? undefined : nameAnnotations(name),
  };
}

/** Returns a name in the form of `manifest.json`: with a tag and without a digest. */
function dockerTag(name: string): string | undefined {
  const reference = parseStoredName(name);
  if (reference?.tag === undefined) return undefined;
  const { registry, repository, tag } = reference;
  return formatReference({ registry, repository, tag });
}
